"""`train`: train a model from a run file and flags, and print events."""

from __future__ import annotations

import json as json_module
import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from napari_centermask.cli.flags import check_train_flags
from napari_centermask.cli.output import busy, check_writable, notice, print_json
from napari_centermask.cli.segment import Flag
from napari_centermask.core.errors import BadSettings, MissingExtra, UserError
from napari_centermask.core.extras import how_to_install
from napari_centermask.events import (
    ComparisonEvent,
    DoneEvent,
    Event,
    FailedEvent,
    NoticeEvent,
    StageEvent,
    StartEvent,
    StepEvent,
    as_values,
    write,
)
from napari_centermask.io.files import link_file
from napari_centermask.jobs.command import check_new_run
from napari_centermask.jobs.process import STATES
from napari_centermask.models.store.zoo import find_model
from napari_centermask.settings import TrainSettings
from napari_centermask.training.run.folder import KEPT, Control, start_of
from napari_centermask.training.run.mlflow_metrics import MlflowRun
from napari_centermask.training.run.scaling import scale_batch as scale_batch_of
from napari_centermask.training.run.shortage import is_out_of_memory


def read_run_file(tokens: list[str]) -> Any:
    """The run file among the arguments of `train` as a source of defaults, which flags override; () if there is none.

    Raises
    ------
    BadSettings
        If the file is missing or not a JSON object.
    """
    from cyclopts.config import Dict

    name = _run_file_of(tokens)
    if name is None:
        return ()
    try:
        values = json_module.loads(Path(name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadSettings(f"The run file {name} does not exist. Choose a JSON file of settings.") from None
    except (OSError, UnicodeDecodeError, json_module.JSONDecodeError) as error:
        raise BadSettings(f"{name} is not a run file in JSON: {error}.") from None
    if not isinstance(values, dict):
        raise BadSettings(f"{name} is not a run file: it must hold a JSON object, not {type(values).__name__}.")
    # Below the command's name: at the top, cyclopts drops settings that are called as a command is, like `compare`.
    return Dict({"train": _without_none(values)}, source=name)


def _run_file_of(tokens: list[str]) -> str | None:
    """The first argument that names a JSON file and is neither a flag nor the value of one."""
    for token, before in zip(tokens, ["", *tokens], strict=False):
        if token.endswith(".json") and not token.startswith("-") and not _takes_value(before):
            return token
    return None


def _takes_value(token: str) -> bool:
    """Whether an argument of `train` is a flag that takes the next argument as its value; `--resume` and `--steps=5` do not."""
    if not token.startswith("--") or "=" in token:
        return False
    try:
        flag, *_ = App(default_command=train).assemble_argument_collection().match(token)
    except ValueError:  # not a flag of ours; reported later
        return True
    return flag.token_count() != (0, False)


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    """The object without nulls: null means the default, as in the settings."""
    return {k: _without_none(v) if isinstance(v, dict) else v for k, v in values.items() if v is not None}


def train(
    run: Path | None = None,
    /,
    *,
    preview: Flag = False,
    preview_file: Path | None = None,
    scale_batch: int = 1,
    json: Flag = False,
    settings: Annotated[TrainSettings, Parameter(name="*")],
) -> int:
    """Train a model from a run file, from flags, or from both; flags override the file.

    For example:

      napari-centermask train run.json

      napari-centermask train --data fields --out runs/first --start nuclei --minutes 30

      napari-centermask train runs/first/run.json --resume

      napari-centermask train run.json --preview

    Parameters
    ----------
    run
        JSON file with the settings below, as found in every run folder. Paths in it are relative to the current folder.
    preview
        Only draw the first training tiles, augmented, as the network gets them, with the outlines of their cells: the
        picture OUT_tiles.png beside `out`.
    preview_file
        The same into this PNG file.
    scale_batch
        Train with so many times the tiles per step and the learning rate, in as many times fewer steps; for example the number of
        processes under torchrun, which share the tiles of a step.
    json
        Print one JSON object per event.
    """
    check_train_flags(settings, None if run is None else json_module.loads(run.read_text(encoding="utf-8")))
    settings = scale_batch_of(settings, scale_batch)
    if preview or preview_file:
        show_tiles(settings, preview_file, json=json)
        return 0
    if not settings.resume:
        check_new_run(settings.out, data=[*settings.data, *settings.replay, *settings.unlabelled])
    return run_training(settings, json=json)


def show_tiles(settings: TrainSettings, path: Path | None, *, json: bool) -> None:
    """Draw training tiles into a file, and print where they are.

    Parameters
    ----------
    path
        The file; by default OUT_tiles.png beside the run folder.

    Raises
    ------
    BadSettings
        If the file does not end with .png.
    UserError
        As the training would, about data and start model.
    """
    from napari_centermask.training.data.checks import check_data
    from napari_centermask.training.run.copies import with_copies
    from napari_centermask.training.run.preview import write_preview

    path = path or settings.out.with_name(f"{settings.out.name}_tiles.png")
    if path.suffix.lower() != ".png":
        raise BadSettings(
            f"--preview-file is a PNG file, but {path} is named otherwise. Choose a name that ends with .png."
        )
    check_writable([path], data=settings.data)
    with busy("Reading the data"):
        settings = with_copies(settings, say=notice)
    for note in check_data(settings):
        notice(note)
    write_preview(path, settings)
    print_json({"preview": path}) if json else print(f"Training tiles: {path}")


def run_training(settings: TrainSettings, *, json: bool) -> int:
    """Train and compare, printing events as text or JSON."""
    from napari_centermask.evaluation.training_curve import AP_FIGURE, AP_TABLE

    _forget_old_requests(settings.out)
    steps = _steps(settings)
    shown = write if json else show_event
    report = _reporter()
    try:
        for event in steps:
            shown(event)
            if message := report(event):
                shown(NoticeEvent(message=message))
    except UserError as error:
        report(failure(error))
        if json:
            write(failure(error))
        raise
    except KeyboardInterrupt:
        if (settings.out / STATES[0]).exists():
            notice(f"Stopped. Continue with: napari-centermask train {settings.out / 'run.json'} --resume")
        else:
            notice("Stopped before there was anything to keep. Start the run again.")
        raise
    finally:
        steps.close()
    written = [settings.out / name for name in (AP_FIGURE, AP_TABLE)]
    if not json and (there := [path for path in written if path.exists()]):
        print(f"AP over steps and time: {there[0]}")
    return 0


def _steps(settings: TrainSettings) -> Generator[Event, None, None]:
    """The events of the training, with what was recognised in the data, and those of the comparison before the last one."""
    from napari_centermask.training.run.copies import with_copies

    try:
        from napari_centermask.training.run import device, loop, memory
    except ImportError as error:
        raise MissingExtra(f"Training needs PyTorch ({error}): {how_to_install('train')}") from error
    is_compared = settings.compare and settings.start
    said: list[str] = []
    with busy("Reading the data"):
        settings = with_copies(settings, say=said.append)
    for event in loop.train(settings):
        if isinstance(event, StartEvent) and is_compared:
            _keep_start(settings)
        if isinstance(event, DoneEvent) and is_compared and event.model:
            try:
                yield from compared(settings, event.model)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                place = device.choose_device(settings.device)
                raise memory.stage_failed("comparing", error, settings.out, place) from error
        yield event
        if isinstance(event, StartEvent):
            yield from (NoticeEvent(message=text) for text in said)


def _reporter() -> Callable[[Event], str]:
    """What reports events to the MLflow run that the environment names, if any, and how busy the machine is with them."""
    run = MlflowRun.of(os.environ)
    if run is None:
        return lambda event: ""
    from napari_centermask.training.run.machine_use import machine_use

    machine_use()  # the first call only begins to measure
    return lambda event: run.log(event, **(machine_use() if isinstance(event, StepEvent) else {}))


def _forget_old_requests(folder: Path) -> None:
    """Remove files `stop` and `pause` that an earlier process may have left."""
    import psutil

    Control(folder).clear_older(psutil.Process().create_time())


def _keep_start(settings: TrainSettings) -> None:
    """Link the start model's weights into the run folder, as the model may be renamed or deleted during the run.

    Raises
    ------
    BadSettings
        If the folder cannot be written.
    """
    kept = settings.out / KEPT
    if start_of(settings) == kept:
        return
    try:
        kept.parent.mkdir(exist_ok=True)
        link_file(find_model(settings.start).weights, kept)
    except OSError as error:
        raise BadSettings(f"Cannot write to {settings.out}: {error.strerror}. Make room there.") from error


def compared(settings: TrainSettings, model: str) -> Iterator[Event]:
    """Compare the new model with its start model on held-out images (`test` if there is one); writes comparison.json."""
    from napari_centermask.cli.compare import judging_split, write_comparison
    from napari_centermask.engines.load import load_engine
    from napari_centermask.evaluation.compare_models import compare_models

    yield StageEvent(name="comparing")
    kept = settings.out / KEPT
    start = kept if kept.exists() else settings.start
    old, new = (load_engine(m, engine="torch", device=settings.device) for m in (start, model))
    split = judging_split(settings.data)
    result = compare_models(
        settings.data,
        split,
        old,
        new,
        known=settings.replay,
        pictures=settings.out / "pictures",
        microscope=settings.preprocess.microscope,
    ).to_json()
    path = settings.out / "comparison.json"
    write_comparison(path, result | {"models": {"old": settings.start, "new": model}, "split": split})
    verdict = result["verdict"]
    yield ComparisonEvent(path=str(path), recommended=verdict["recommended"], sentence=verdict["sentence"])


def failure(error: UserError) -> FailedEvent:
    """The event for an error that you can correct."""
    reason, remedy = getattr(error, "reason", "settings"), getattr(error, "remedy", {})
    return FailedEvent(message=str(error), reason=reason, remedy=remedy)


def show_event(event: Event) -> None:
    """One event as one line."""
    skipped = {"event", "time", "per_folder", "samples"}
    fields = (
        f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in as_values(event).items() if k not in skipped
    )
    print(f"{event.event:<11}" + "  ".join(fields), flush=True)
