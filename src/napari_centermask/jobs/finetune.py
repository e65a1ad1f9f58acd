"""Prepare a fine-tuning run from a project and the model in use."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from napari_centermask.core.errors import BadModel
from napari_centermask.jobs.command import check_new_run, new_run_folder
from napari_centermask.models.store.zoo import find_model
from napari_centermask.training.data.checks import check_data
from napari_centermask.training.data.dataset import freeze_dataset
from napari_centermask.training.run.copies import freeze_in, readable
from napari_centermask.training.run.defaults import Suggestion, suggest


def prepare(
    data: Path,
    start: str | None,
    *,
    network: str = "centermask",
    out: Path | None = None,
    split: str | None = None,
    replay: Sequence[Path] | None = None,
    val_part: float = 0.2,
    seed: int = 0,
    say: Callable[[str], None] = lambda text: None,
) -> Suggestion:
    """Freeze the reviewed data of a project in a new run folder, and compute settings to train on them.

    Takes seconds if images must be copied: call it from a thread. `Job.start(suggestion.settings)` starts the run.

    Parameters
    ----------
    data
        A project, a folder with images/ and annotations.json, or annotations_SPLIT.json, or training data of another tool.
    split
        Which annotations of a folder to use, such as "train"; by default annotations.json, or the splits of the other tool.
    start
        Name or file of the model to start from; None to train from scratch.
    network
        Family of the new network that is trained from scratch.
    out
        The run folder; by default a new one in `runs` of the project.
    replay
        Data folders that the start model was trained on; by default the sample that comes with it.
    say
        Called with sentences about annotations that are left out or repaired.

    Raises
    ------
    BadAnnotations, BadImage, BadModel
        If there are too few cells to train on, images do not fit the model, or the start model cannot be trained.
    BadSettings
        If the run folder has an earlier run.
    """
    data = Path(data).expanduser().resolve()
    files = None if start is None else find_model(start)
    if files is not None and files.weights is None:
        raise BadModel(f"{files.name} has only ONNX graphs and cannot be trained. Start from a model with weights.")
    folder = Path(out).expanduser().resolve() if out is not None else new_run_folder(data / "runs")
    check_new_run(folder, ("best.safetensors", "last.pt"), data=[data, *(replay or ())])
    is_new = not folder.exists()
    try:
        card = None if files is None else files.card
        trained_on = {} if card is None else card.trained_on
        how = partial(freeze_dataset, data, split=split, val_part=val_part, seed=seed, trained_on=trained_on, say=say)
        frozen = freeze_in(folder, how)
        if replay:
            replay = readable(replay, folder / "replay", trained_on=trained_on, say=say)
        suggestion = suggest(frozen, folder, card=card, start=start, network=network, replay=replay)
        check_data(suggestion.settings)
    except BaseException:
        if is_new:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    return Suggestion(suggestion.settings.model_copy(update={"seed": seed}), suggestion.reasons)
