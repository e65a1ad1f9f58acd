"""All settings of a fine-tuning run, computed from the data, the start model and this machine. Needs no torch.

The numbers were measured together, not one by one: docs/benchmarks.md, "One click with 100 corrected cells", "Learning curve" and
"The gate". A number with a source or measurement of its own says so beside it; "chosen" means that it has none.
"""

from __future__ import annotations

import math
import os
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from napari_centermask.core.counted import counted, singular
from napari_centermask.core.errors import BadSettings
from napari_centermask.core.image_kind import Kind
from napari_centermask.core.size_levels import size_levels
from napari_centermask.io.coco.annotated import read_annotated
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.io.images import read_plane
from napari_centermask.io.reviewed import is_partial, truth_of
from napari_centermask.models.families import new_network
from napari_centermask.models.store.card import ModelCard
from napari_centermask.models.store.registry import replay_of
from napari_centermask.models.store.zoo import find_model
from napari_centermask.settings import AnyModel, AugmentSettings, TrainSettings
from napari_centermask.training.data.facts import image_kinds
from napari_centermask.training.data.inputs import follow_card
from napari_centermask.training.data.replay_sample import ReplaySample
from napari_centermask.training.data.scales import add_whole_diameters, medians
from napari_centermask.training.run.copies import freeze_in

SCRATCH_DIAMETER = 40.0
"""Cells 1.5 times as large are still assigned to P3, whose boxes reach 64 pixels from a location
(FCOS, arXiv 1904.01355, section 3.2).

`nuclei` was trained at this size; others were not measured.
"""
_REPLAY_PART = 0.25
"""With it, the mean AP on the old data falls by at most 0.015 (docs/benchmarks.md, "Learning curve"); only it was measured."""


@dataclass(frozen=True)
class DataFacts:
    """What the defaults are computed from.

    Attributes
    ----------
    diameter
        Median diameter of the cells in pixels.
    side
        Shorter side of the smallest image in pixels.
    n_rare
        Cells of the rarest category.
    sizes
        Median diameter of each category in pixels.
    kinds
        Of the images, see `core.image_kind`.
    """

    n_images: int
    n_cells: int
    diameter: float
    side: int
    channels: int
    categories: tuple[str, ...]
    n_rare: int
    sizes: dict[str, float] = field(default_factory=dict)
    kinds: frozenset[Kind] = frozenset()


@dataclass(frozen=True)
class Machine:
    """The resources of a computer.

    Attributes
    ----------
    gpu_gb
        Memory of the GPU that PyTorch can use; 0 without one, None if it is not known.
    """

    cores: int
    gpu_gb: float | None = 0.0

    @classmethod
    def here(cls) -> Machine:
        """This computer. Takes seconds if there is a GPU, as a separate process asks PyTorch about it."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return cls(cores, _gpu_gb())


@dataclass(frozen=True)
class Suggestion:
    """Settings, with a reason in words for each computed one."""

    settings: TrainSettings
    reasons: dict[str, str] = field(default_factory=dict)


def facts_of(folder: Path, split: str = "train") -> DataFacts:
    """Facts about the annotated images of a data folder, from its annotations and a look at some images.

    Raises
    ------
    BadAnnotations, BadImage, BadSettings
        If there is nothing to train on.
    """
    path = Path(folder) / f"annotations_{split}.json"
    records = read_annotated(path, images_root=Path(folder) / "images")
    partial = is_partial(records)
    names: dict[int, str] = {}
    counts, sizes, n_images = Counter[str](), array("d"), 0
    whole: dict[str, array[float]] = {}
    for record in records:
        truth = truth_of(record, partial=partial)
        names = names or truth.instances.categories
        n_images += not truth.is_empty
        for cell in truth.instances:
            counts[names.get(cell.category, str(cell.category))] += 1
            sizes.append(cell.diameter)
        add_whole_diameters(truth.instances, whole)
    if not sizes:
        raise BadSettings(f"There are no cells to train on in {path}. Correct or draw some.")
    return DataFacts(
        n_images=n_images,
        n_cells=len(sizes),
        diameter=float(np.median(sizes)),
        side=min(min(r.shape) for r in records),
        channels=_channels(records),
        categories=tuple(names.values()),
        n_rare=min(counts.values()),
        sizes=medians(whole),
        kinds=frozenset(image_kinds(records)),
    )


def suggest(
    folder: Path,
    out: Path,
    *,
    card: ModelCard | None = None,
    start: str | None = None,
    network: str = "centermask",
    replay: Sequence[Path] | None = None,
    machine: Machine | None = None,
    facts: DataFacts | None = None,
) -> Suggestion:
    """The settings for training on a data folder.

    Parameters
    ----------
    folder
        With images/, annotations_train.json and annotations_val.json, as `dataset.freeze_dataset` writes it.
    card, start
        Card and name of the model to start from; None to train from scratch.
    network
        Family of the new network that is trained from scratch.
    replay
        Data folders that the start model was trained on; by default the sample that comes with it.
    machine
        By default this one.

    Returns
    -------
    Suggestion
        The settings with their reasons.
    """
    facts, machine = facts or facts_of(folder), machine or Machine.here()
    reasons: dict[str, str] = {}
    model, diameter = _network(facts, card, network, reasons)
    tile = _tile(facts, diameter, reasons)
    batch, workers = _machine(machine, tile, reasons)
    steps, minutes = _length(facts, machine, batch=batch, tile=tile, tuned=card is not None, reasons=reasons)
    values = {
        "data": [folder],
        "out": out,
        "start": start,
        "model": model,
        "diameter": diameter,
        "tile": tile,
        "batch": batch,
        "workers": workers,
        "steps": steps,
        "minutes": minutes,
        "evaluate_every": max(20, steps // 10),  # chosen: ten points make a curve
        "warmup": min(500, steps // 10),  # at most as long as from scratch; a tenth as in `optimise.LONGEST_WARMUP`
        "ema": 0.99
        if steps < 2000
        else 0.999,  # chosen: a mean over the last 100 or 1,000 steps, a small part of the run
        "patience": 5,  # chosen: half of the run without a better AP
        "oversample": _oversample(facts, reasons),
        "diameters": _diameters(facts, card, reasons),
    }
    if card is not None:
        if replay is None:
            is_same = len(model.categories) == len(card.model.categories) == 1 or model == card.model
            replay = _sample(start, model, facts, out, is_same=is_same, reasons=reasons)
        values |= _tuning(facts, reasons) | {"replay": list(replay), "replay_part": _REPLAY_PART if replay else 0.0}
    settings = TrainSettings.model_validate(values)
    return Suggestion(settings if card is None else follow_card(settings, card), reasons)


def _network(facts: DataFacts, card: ModelCard | None, network: str, reasons: dict[str, str]) -> tuple[AnyModel, float]:
    if card is None:
        reasons["diameter"] = f"cells of {facts.diameter:.0f} pixels are rescaled to {SCRATCH_DIAMETER:.0f}"
        model = new_network(network, channels=facts.channels, categories=facts.categories, diameter=SCRATCH_DIAMETER)
        return model, SCRATCH_DIAMETER
    reasons["diameter"] = (
        f"the start model was trained on cells of {card.diameter:.0f} pixels; these have {facts.diameter:.0f}"
    )
    if (
        len(facts.categories) == len(card.model.categories) == 1
    ):  # all weights stay; its cells are called as in the data
        return card.model.model_copy(update={"categories": list(facts.categories)}), card.diameter
    if set(facts.categories) <= set(card.model.categories):
        return card.model, card.diameter
    reasons["model"] = f"its last layers are replaced for the categories {', '.join(facts.categories)}"
    return card.model.model_copy(update={"categories": list(facts.categories)}), card.diameter


def _diameters(facts: DataFacts, card: ModelCard | None, reasons: dict[str, str]) -> str:
    """A scale for each size of cells, unless the start model's corrections hold at one scale only."""
    levels = size_levels(facts.sizes)
    if len(levels) < 2 or (card and {card.preprocess.background, card.preprocess.denoise} != {"none"}):
        return "one"
    sizes = (f"{' and '.join(level.categories)} of {level.diameter:.0f} px" for level in levels)
    reasons["diameters"] = f"{', '.join(sizes)}: too different for one scale, so each has its own"
    return "per-category"


def _tile(facts: DataFacts, diameter: float, reasons: dict[str, str]) -> int:
    """Room for about six cells side by side, but not larger than the images.

    6.4 diameters are the 256 pixels at which `nuclei` was trained; 128 is the smallest tile (`shortage.SMALLEST_TILE`), and 512
    was chosen: a step costs four times one of 256.
    """
    side = facts.side * diameter / facts.diameter
    tile = int(min(np.clip(6.4 * diameter, 128, 512), max(128, side)) // 32 * 32)
    reasons["tile"] = f"{tile / diameter:.0f} cells in a row; the smallest image has {side / diameter:.0f}"
    return tile


def _machine(machine: Machine, tile: int, reasons: dict[str, str]) -> tuple[int, int]:
    """Tiles per step, and worker processes that prepare them.

    On a GPU, one tile of 256 x 256 per gigabyte, 2 to 16, which was chosen and not measured: `memory.first_that_fits` finds a
    smaller step if that is too much. On CPUs 4, as in the measured fine-tuning runs; 8 on more than four cores (chosen).
    """
    workers = min(4, max(1, machine.cores - 1)) if machine.cores > 1 else 0
    if machine.gpu_gb:
        batch = int(np.clip(2 ** math.floor(math.log2(machine.gpu_gb * (256 / tile) ** 2)), 2, 16))
        reasons["batch"] = f"a GPU with {machine.gpu_gb:.0f} GB"
    else:
        batch = 4 if machine.cores <= 4 else 8
        reasons["batch"] = f"{machine.cores} CPU cores and no GPU"
    reasons["workers"] = f"{machine.cores} CPU cores"
    return batch, workers


def _length(
    facts: DataFacts, machine: Machine, *, batch: int, tile: int, tuned: bool, reasons: dict[str, str]
) -> tuple[int, float | None]:
    """More cells take more steps; on a CPU, the time is also limited.

    80 cells get 1,400 steps of 4 tiles: cells of a new kind were learned between 560 and 1,400 (docs/benchmarks.md, "One click
    on a kind of image that no model has seen"). From scratch the number was chosen. 7 minutes for 100 cells meet the goal of ten
    with the comparison; the root, because ten times the cells brought at most a third more AP. Cores beyond 8 are not counted
    (chosen).
    """
    wanted = 600 + 10 * facts.n_cells if tuned else 800 + 16 * facts.n_cells
    steps = int(np.clip(wanted * 4 / batch, 100, 20_000))
    reasons["steps"] = f"{counted(facts.n_cells, 'cell')} in {counted(facts.n_images, 'image')}"
    if machine.gpu_gb:
        return steps, None
    limit = round(float(np.clip(7 * math.sqrt(facts.n_cells / 100), 5, 60)), 1) * (1 if tuned else 3)
    reasons["minutes"] = f"limit of all steps on {machine.cores} CPU cores; evaluations and the comparison come on top"
    return steps, limit


def _oversample(facts: DataFacts, reasons: dict[str, str]) -> float:
    """The square root of the imbalance if the rarest category has less than half of an even share (chosen).

    Oversampling was measured with classifiers of crops only, where it changed nothing at 2.4 to 1 (docs/benchmarks.md,
    "Measures against imbalance").
    """
    n = len(facts.categories)
    if n > 1 and facts.n_rare * n < 0.5 * facts.n_cells:
        reasons["oversample"] = f"the rarest category has {facts.n_rare} of {counted(facts.n_cells, 'cell')}"
        return 0.5
    return 0.0


def _sample(
    start: str | None, model: AnyModel, facts: DataFacts, out: Path, *, is_same: bool, reasons: dict[str, str]
) -> list[Path]:
    """Data that the start model was trained on, to train on again: this takes a quarter of the tiles.

    The comparison measures on the same folder what was forgotten. Of a sample whose images contradict the data, the others are
    written to the run folder: neither is trained on, nor is a model said to forget, what the data say is wrong.
    """
    folder = None if start is None else replay_of(find_model(start))
    if folder is None:
        reasons["replay_part"] = "no sample of the start model's training data is available"
        return []
    sample = ReplaySample.read(folder)
    if not is_same or not _fits(sample, model, facts):
        reasons["replay_part"] = "the start model's data have other categories"
        return []
    part = sample.fitting(facts.categories[0], facts.kinds) if len(model.categories) == 1 else sample
    if not part.train or not part.val:
        reasons["replay_part"] = "the start model's data have other cells in such images"
        return []
    reasons["replay_part"] = "of the tiles are from the start model's data, so that it does not forget them"
    if part == sample:
        return [folder]
    reasons["replay_part"] += f"; left out are {sample.about_left_out(part)}"
    return [freeze_in(out, part.write, "replay")]


def _fits(sample: ReplaySample, model: AnyModel, facts: DataFacts) -> bool:
    """Whether a sample, which may be an ancestor's, means by its categories what the model and the data mean.

    A model of a single category takes every cell for it, so there the sample must know what the data call their cells:
    nuclei shown again to a model that is to find whole cells would count as cells. `ReplaySample.fitting` looks at its images.
    """
    if len(model.categories) == 1:
        return {singular(name) for name in facts.categories} <= sample.meanings
    names = {name.casefold() for record in sample.images for name in record.instances.categories.values()}
    return names <= {name.casefold() for name in model.categories}


def _tuning(facts: DataFacts, reasons: dict[str, str]) -> dict[str, object]:
    """What differs from training from scratch: slower first layers, and a frozen stem if there are few data.

    Slower first layers: Howard and Ruder, arXiv 1801.06146, section 3.2, who divide by 2.6 from layer to layer; 0.7 from stage
    to stage was chosen, as were the limit of `freeze`, the zooms and the shifts. With a rate of 3e-4 and more layers frozen,
    cells of a new kind were not learned in 1,100 steps (docs/benchmarks.md, "One click on a kind of image that no model has
    seen"); one of 0.1 ruins the model ("The gate"); `find_rate` searches for one. `keep` was measured: docs/training.md,
    "The gate".
    """
    freeze = "stem" if facts.n_cells < 400 else "none"
    reasons["freeze"] = counted(facts.n_cells, "cell") + (
        "" if freeze == "none" else " are few: the first layers are frozen"
    )
    return {
        "freeze": freeze,
        "layer_decay": 0.7,
        "learning_rate": 1e-3,
        "keep": 0.2,
        "augment": AugmentSettings(scale=(0.7, 1.4), elastic=2.0 if facts.n_cells < 400 else 0.0),
        "evaluate_first": True,
        "compare": True,
    }


def _channels(records: Sequence[ImageRecord]) -> int:
    first = next(r for r in records if r.path is not None)
    return int(np.asarray(read_plane(first.path, first.plane)).shape[0])


_ASK_TORCH = """
import torch
print(torch.cuda.get_device_properties(0).total_memory / 1024**3 if torch.cuda.is_available() else 0)
"""
_ASK_SECONDS = 60  # chosen: much longer than torch takes to load


def _gpu_gb() -> float:
    """Memory of the first GPU that PyTorch can use, 0 without one; a separate process asks, as torch must not be imported here.

    Without a driver the process is not started, as torch takes seconds to load.
    """
    import shutil
    import subprocess
    import sys

    if shutil.which("nvidia-smi") is None:
        return 0.0
    ask = [sys.executable, "-c", _ASK_TORCH]
    try:
        answer = subprocess.run(ask, capture_output=True, text=True, timeout=_ASK_SECONDS, check=True)
        return float(answer.stdout.split()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return 0.0
