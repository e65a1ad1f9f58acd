"""`finetune`: fine-tune a model on corrected cells and compare it; every default is computed from the data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from napari_centermask.cli.output import busy, notice, print_json
from napari_centermask.cli.segment import Flag
from napari_centermask.cli.train import run_training, show_tiles
from napari_centermask.core.errors import BadModel, BadSettings
from napari_centermask.events import InstalledEvent, write
from napari_centermask.io.whole_file import whole_file
from napari_centermask.models.families import new_families
from napari_centermask.models.idle_settings import idle_in_training, refuse_idle
from napari_centermask.models.store.zoo import check_new_name, find_model
from napari_centermask.settings import TrainSettings


def finetune(
    data: Path,
    /,
    *,
    split: str | None = None,
    start: str | None = None,
    scratch: Flag = False,
    network: str | None = None,
    out: Path | None = None,
    replay: list[Path] | None = None,
    replay_part: float | None = None,
    unlabelled: list[Path] | None = None,
    unlabelled_part: float | None = None,
    unlabelled_score: float | None = None,
    val_part: float = 0.2,
    minutes: float | None = None,
    steps: int | None = None,
    batch: int | None = None,
    tile: int | None = None,
    workers: int | None = None,
    device: str | None = None,
    seed: int = 0,
    install: Annotated[str | None, Parameter(name=["--install", "--adopt"])] = None,
    dry_run: Flag = False,
    preview: Flag = False,
    preview_file: Path | None = None,
    json: Flag = False,
) -> int:
    """Fine-tune a model on corrected cells and compare it with the one it started from.

    Training uses the reviewed or corrected cells. Part of them is held out for the comparison. For example:

      napari-centermask finetune my_project

      napari-centermask finetune my_project --install mine --minutes 10

      napari-centermask finetune fields --start nuclei --dry-run

      napari-centermask finetune my_project --preview

      napari-centermask finetune my_project --scratch --network maskrcnn --dry-run

    Parameters
    ----------
    data
        A project, a folder with images/ and annotations.json, or training data of another tool as they are: StarDist, Cellpose,
        LabelMe, YOLO, Cell Tracking Challenge.
    split
        Use annotations_SPLIT.json of a folder, or that split of another tool's, such as train, and hold the cells to compare the
        models on out from these. When not given: annotations.json, or the other tool's own splits.
    start
        The model to start from. When not given: your own model if it made the cells, else the included model that fits most
        of the images, by a look at some of them.
    scratch
        Train a new network from scratch instead.
    network
        Family of the new network: centermask (default), unet or maskrcnn. To change its form and its losses, add --dry-run and
        give them to `train RUN.json`, such as --model.anchor-sizes or --regions.mask.
    out
        Run folder; by default a new one in runs/ of the project.
    replay
        Folders of data that the start model was trained on, mixed in so that the model does not forget it; by default the sample
        that comes with the model.
    replay_part
        Fraction of the tiles taken from there; 0 for none.
    unlabelled
        Folders of images without annotations. Cells of which the start model is sure are taken for true, low-confidence ones are
        ignored.
    unlabelled_part
        Fraction of the tiles taken from there.
    unlabelled_score
        Lowest score of the cells there that are taken for true.
    val_part
        Fraction of the cells to hold out.
    minutes, steps, batch, tile, workers, device
        Override the computed defaults.
    seed
        Random seed of the split and the training.
    install
        Install the model under this name if it is recommended. `--adopt` is the old name of this flag.
    dry_run
        Only write the run file, with the reasons for its values; `train RUN.json` continues from there.
    preview
        Only write the run file, and draw the first training tiles, augmented, as the network gets them, with the outlines
        of their cells: the picture NAME_tiles.png beside the run folder.
    preview_file
        The same into this PNG file.
    json
        Print one JSON object per event.
    """
    import json as json_module

    from napari_centermask.jobs.finetune import prepare
    from napari_centermask.jobs.start_model import start_model

    only = "--dry-run" if dry_run else "--preview" if preview or preview_file else ""
    _check_choices(start, replay, network, scratch=scratch, install=install, only=only)
    given: dict[str, Any] = {
        "minutes": minutes,
        "steps": steps,
        "batch": batch,
        "tile": tile,
        "workers": workers,
        "device": device,
    }
    given |= {"replay_part": replay_part, "unlabelled_part": unlabelled_part, "unlabelled_score": unlabelled_score}
    given["unlabelled"] = None if unlabelled is None else [path.expanduser().resolve() for path in unlabelled]
    given = {k: v for k, v in given.items() if v is not None}
    _checked({"data": [data], "out": data} | given)  # before images are copied
    if install:
        check_new_name(install)
    with busy("Checking the data"):
        chosen = None if scratch or start is not None else start_model(data, split)
        suggestion = prepare(
            data,
            start if chosen is None else chosen.name,
            network=network or "centermask",
            out=out,
            split=split,
            replay=replay,
            val_part=val_part,
            seed=seed,
            say=notice,
        )
    settings = _checked(suggestion.settings.model_dump() | given)
    card = None if settings.start is None else find_model(settings.start).card
    refuse_idle(settings, idle_in_training(settings, card), flags=given)
    reasons = suggestion.reasons if chosen is None else {"start": chosen.reason} | suggestion.reasons
    for name, reason in reasons.items():
        value = getattr(settings, name)
        reason = "as given" if name in given else reason
        notice(f"{name:<12}{value if isinstance(value, str | int | float) else '':<8} {reason}")
    if only:
        path = settings.out / "run.json"
        with whole_file(path) as part:
            part.write_text(settings.model_dump_json(indent=1), encoding="utf-8")
        if preview or preview_file:
            show_tiles(settings, preview_file, json=json)
        elif json:
            print_json({"run": path, "reasons": reasons})
        if not json:
            print(f"napari-centermask train {path}")
        return 0
    run_training(settings, json=json)
    comparison = settings.out / "comparison.json"
    verdict = json_module.loads(comparison.read_text(encoding="utf-8"))["verdict"] if comparison.exists() else None
    if install:
        _install(settings, install, verdict, json=json)
    return 0


def _check_choices(
    start: str | None,
    replay: list[Path] | None,
    network: str | None,
    *,
    scratch: bool,
    install: str | None,
    only: str,
) -> None:
    """Refuse flags that another one switches off, and networks that do not exist, before data are copied."""
    if network is not None and not scratch:
        raise BadSettings(
            "--network has no effect: the network is that of the start model. Add --scratch for a new one."
        )
    if network is not None and network not in new_families():
        raise BadSettings(f"--network: expected {' or '.join(new_families())}, got {network}.")
    if scratch and start is not None:
        raise BadSettings("--start has no effect: --scratch uses no start model. Leave one of them out.")
    if scratch and replay:
        raise BadSettings(
            "--replay has no effect: --scratch has no start model whose data could be mixed in. Leave it out."
        )
    if only and install:
        raise BadSettings(f"--install has no effect: {only} trains no model. Leave one of them out.")


def _checked(values: dict[str, Any]) -> TrainSettings:
    from pydantic import ValidationError

    from napari_centermask.cli import explain_settings

    try:
        return TrainSettings.model_validate(values)
    except ValidationError as error:
        raise explain_settings(error) from None


def _install(settings: TrainSettings, name: str, verdict: dict[str, Any] | None, *, json: bool) -> None:
    from napari_centermask.cli import models

    if verdict is not None and not verdict["recommended"]:
        raise BadModel(
            f"Not installed. {verdict['sentence']} The model is in {settings.out}; `models add` installs it."
        )
    file = settings.out / "best.safetensors"
    if json:
        model = models.install(file, name)
        write(InstalledEvent(name=name, path=str(model.paths[0].parent)))
    else:
        models.add(file, name=name)
