"""The training loop: a generator of events, so that the command line, a dock and a test can drive it alike."""

from __future__ import annotations

import errno
import math
import time
from collections.abc import Callable, Generator
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from napari_centermask.core.errors import BadModel, CannotSave, MissingExtra, TrainingFailed, reason
from napari_centermask.core.interrupts import HeldInterrupts
from napari_centermask.evaluation.training_curve import AP_FIGURE, AP_TABLE, ap_points, draw_ap, write_csv
from napari_centermask.events import (
    LOSS,
    CheckpointEvent,
    DoneEvent,
    EvaluationEvent,
    Event,
    NoticeEvent,
    PausedEvent,
    ResumedEvent,
    StageEvent,
    StartEvent,
    StepEvent,
)
from napari_centermask.io.lock import lock_for_run
from napari_centermask.io.whole_file import whole_file
from napari_centermask.models.nets.network import Network
from napari_centermask.settings import TrainSettings
from napari_centermask.training.data.checks import check_data
from napari_centermask.training.data.image_store import remove_decoded
from napari_centermask.training.data.pseudo_labels import labelled_folder
from napari_centermask.training.run.device import choose_device, give_back, memory_mb
from napari_centermask.training.run.folder import Control
from napari_centermask.training.run.label import label
from napari_centermask.training.run.memory import release, stage_failed, step_failed
from napari_centermask.training.run.optimise import PLATEAU
from napari_centermask.training.run.shortage import is_of_host, is_out_of_memory
from napari_centermask.training.run.tensorboard import EventFile
from napari_centermask.training.run.trainer import Trainer
from napari_centermask.training.run.work_clock import WorkClock

REPORT_EVERY, REPORT_SECONDS = 20, 10.0
"""Steps and seconds between two reports, whichever comes first: choices; a person sees that it goes on, and a log stays short."""
CHECKPOINT_EVERY, CHECKPOINT_SECONDS = 250, 300.0
"""The same between two checkpoints: choices; a crash costs five minutes at most."""
_LOOK_S = 0.1  # between two looks whether a pause is over; a choice, at once for a person
TRAINING, SEARCHING = STEPPING = ("training", "finding the learning rate")

Evaluate = Callable[[Network, Trainer], dict[str, Any]]
Events = Generator[Event, None, None]


def train(settings: TrainSettings, *, evaluate: Evaluate | None = None) -> Events:
    """Train a model; yields events and may be closed between any two.

    A file `stop` in the run folder ends it with the best model so far, a file `pause` pauses it (see `control`). Ctrl-C and
    SIGTERM end it after the current step, whose state is saved; an evaluation that they cut short is made up for on resuming.

    Parameters
    ----------
    evaluate
        Scores the averaged model on `val`; returns a dict with "AP". The default is `validate.evaluate`.

    Yields
    ------
    Event
        See `napari_centermask.events`.

    Raises
    ------
    TrainingFailed, BadSettings, BadAnnotations
        The message says what to change.
    CannotSave
        If another training is writing to the run folder.
    KeyboardInterrupt
        If a person stopped it.
    """
    with HeldInterrupts() as interrupts:
        yield from _train(settings, evaluate, interrupts)


def _train(settings: TrainSettings, evaluate: Evaluate | None, interrupts: HeldInterrupts) -> Events:
    run = None
    try:
        run = _Run(settings, evaluate, interrupts)
        for one in run.events():
            if not run.trainer.world.is_first:
                continue
            if isinstance(one, DoneEvent):  # all is saved, and comparing the models, which takes long, may be cut short
                yield one
            else:
                with interrupts.held():
                    yield one
    except KeyboardInterrupt:
        if run is not None:
            yield from run.keep()
        raise
    except CannotSave as error:
        if not isinstance(error.__cause__, OSError):
            raise
        raise _explain_os(error.__cause__, settings) from error
    except (OSError, RuntimeError, MemoryError) as error:
        if is_out_of_memory(error):
            stage = "starting" if run is None else run.stage
            device = choose_device(settings.device) if run is None else run.trainer.device
            raise stage_failed(stage, error, settings.out, device) from error
        if isinstance(error, OSError):
            raise _explain_os(error, settings) from error
        raise
    finally:
        if run is not None:
            run.close()


class _Run:
    """State shared between the parts of a run."""

    def __init__(self, settings: TrainSettings, evaluate: Evaluate | None, interrupts: HeldInterrupts) -> None:
        from napari_centermask.training.run import validate

        self.score = evaluate or validate.evaluate
        self.prepare = validate.prepare if evaluate is None else lambda settings: None
        self.trainer = Trainer(settings)
        self.settings = settings = self.trainer.settings
        is_first = self.trainer.world.is_first
        self.lock = lock_for_run(settings.out) if is_first else None
        self.board = EventFile(settings.out) if settings.tensorboard and is_first else None
        self.control = Control(settings.out)
        self.values: dict[str, list[float]] = {}  # of each loss, since the last report
        self.interrupts = interrupts
        self.reported = self.saved = time.monotonic()
        self.saved_step = 0
        self.clock = WorkClock(self.trainer.device)
        self.has_halved = self.is_stale = False
        self.stage = "starting"

    def events(self) -> Events:
        """The whole run."""
        settings, trainer = self.settings, self.trainer
        warning = trainer.resume() if settings.resume else None
        self.saved_step = trainer.progress.step
        if trainer.world.is_first:
            _write_run(settings)
        yield StartEvent(
            out=str(settings.out),
            step=trainer.progress.step,
            steps=settings.steps,
            device=str(trainer.device),
            precision=str(trainer.precision or torch.float32).removeprefix("torch."),
            parameters=sum(p.numel() for p in trainer.model.parameters()),
            batch=trainer.batch,
            tile=settings.tile,
            evaluate_every=settings.evaluate_every,
            minutes=settings.minutes,
            compares=bool(settings.compare and settings.start),
        )
        if warning:
            yield NoticeEvent(message=warning)
        yield self._enter("reading the images")
        if trainer.world.is_first:
            yield from self._label()
            trainer.read_facts()
            for note in check_data(settings):
                yield NoticeEvent(message=note)
            self.prepare(settings)
            if (settings.evaluate_first and trainer.progress.step == 0) or self._lacks_evaluation():
                yield from self._evaluate()
        if settings.find_rate and trainer.progress.step == 0 and trainer.world.size > 1:
            message = "The learning rate can only be found by a single process; keeping the one that is set."
            yield NoticeEvent(message=message)
        while not self._is_over():
            yield from self._until_short()
        if trainer.world.is_first:
            yield from self._finish()

    def _lacks_evaluation(self) -> bool:
        """Whether the run that goes on was interrupted in an evaluation."""
        step, curves = self.trainer.progress.step, self.trainer.progress.curves
        return step > 0 and self._is_evaluated() and not any(c["step"] == step and "AP" in c for c in curves)

    def _is_evaluated(self) -> bool:
        """Whether the model is evaluated after this step."""
        return self.trainer.progress.step % self.settings.evaluate_every == 0 or self.trainer.done >= 1.0

    def _label(self) -> Events:
        """Label the unlabelled images, once: a run that is resumed keeps what was found."""
        is_kept = self.settings.resume and labelled_folder(self.settings) is not None
        if self.settings.unlabelled and not is_kept:
            yield self._enter("segmenting the unlabelled images")
            device = str(self.trainer.device)
            yield from label(self.settings, device=device, is_stopped=lambda: self.control.stopped)
            yield self._enter("reading the images")

    def _enter(self, stage: str) -> StageEvent:
        self.stage = stage
        return StageEvent(name=stage)

    def _until_short(self) -> Events:
        """Train until the end; if memory runs out, continue with smaller steps or raise the reason."""
        try:
            if self.settings.find_rate and self.trainer.progress.step == 0 and self.trainer.world.size == 1:
                yield from self._find_rate()
            yield from self._some_steps()
            return
        except (OSError, RuntimeError, MemoryError) as error:
            if self.stage not in STEPPING or not is_out_of_memory(error):
                raise
            of_host = is_of_host(error)
        # Not in the `except` block above: an error keeps its frames alive, and they keep the tensors of the step.
        yield from self._use_less(of_host)

    def _find_rate(self) -> Events:
        """Set the learning rate that the data suggest, and store it in the run file for when the run is resumed."""
        from napari_centermask.training.data.loader import batches
        from napari_centermask.training.run.rate_finder import find_rate

        yield self._enter(SEARCHING)
        loader = batches(self.settings, batch=self.trainer.batch)
        curve = find_rate(self.trainer, ((b.images, b.truths) for b in loader))
        changes = {"learning_rate": curve.best, "find_rate": False}
        self.settings = self.trainer.settings = self.settings.model_copy(update=changes)
        _write_run(self.settings)
        message = f"Learning rate {curve.best:.1e}, found with trial steps."
        yield NoticeEvent(message=message, rates=tuple(curve.rates.tolist()), losses=tuple(curve.losses.tolist()))

    def keep(self) -> Events:
        """Save the steps since the last checkpoint, if it can; the run was interrupted."""
        step = self.trainer.progress.step
        if not self.trainer.world.is_first or step == self.saved_step:
            return
        try:
            yield self._save()
        except (CannotSave, OSError) as error:
            lost = f"The steps after {self.saved_step:,} could not be saved: {reason(error)}."
            yield NoticeEvent(message=f"{lost} The run goes on from there.")

    def close(self) -> None:
        """Close everything that the run has open."""
        if self.board is not None:
            self.board.close()
        self.trainer.world.leave()
        if self.lock is not None:
            self.lock.release()

    def _is_over(self) -> bool:
        """Whether training is over."""
        trainer, patience = self.trainer, self.settings.patience
        self.is_stale = 0 < patience <= trainer.progress.stale
        over = trainer.done >= 1.0 or self.control.stopped or self.is_stale
        return trainer.world.agree(over, trainer.device)

    def _some_steps(self) -> Events:
        """Train until the end, or until memory runs out."""
        from napari_centermask.training.data.loader import batches

        world = self.trainer.world
        batch, share = max(1, self.trainer.batch // world.size), (world.rank, world.size)
        loader = iter(batches(self.settings, start_tile=self.trainer.tiles, batch=batch, share=share))
        yield self._enter(TRAINING)
        self.clock.restart()
        while not self._is_over():
            with world.sharing_shortage(self.trainer.device):
                tiles = next(loader)
            with self.interrupts.held():
                losses = self.trainer.step(tiles.images, tiles.truths)
                self._count(losses)
            if world.is_first:
                yield from self._after_step()

    def _count(self, losses: dict[str, float]) -> None:
        self.trainer.progress.seconds += self.clock.lap()
        for name, value in losses.items():
            if math.isfinite(
                value
            ):  # the gradient norm is not finite if fp16 overflows, and such a step changes nothing
                self.values.setdefault(name, []).append(value)

    def _after_step(self) -> Events:
        """Report, save and evaluate when due; pause on request."""
        trainer = self.trainer
        step, now = trainer.progress.step, time.monotonic()
        if step % REPORT_EVERY == 0 or trainer.done >= 1.0 or now - self.reported > REPORT_SECONDS:
            yield self._report()
        is_evaluated = self._is_evaluated()
        if not is_evaluated and (step % CHECKPOINT_EVERY == 0 or now - self.saved > CHECKPOINT_SECONDS):
            yield self._save()
        if is_evaluated:
            yield from self._evaluate()
        if self.control.paused:
            yield from self._pause()
        if is_evaluated:
            self.clock.restart()

    def _report(self) -> StepEvent:
        trainer, self.reported = self.trainer, time.monotonic()
        means = {name: round(sum(values) / len(values), 6) for name, values in self.values.items()}
        self.values = {}
        step, part, seconds = trainer.progress.step, trainer.done, trainer.progress.seconds
        trainer.progress.curves.append({"step": step, "seconds": round(seconds), **means})
        if self.board is not None:
            self.board.add(step, means)
        left = seconds * (1 - part) / part * self.clock.slowdown if part else None
        return StepEvent(
            step=step,
            part=round(part, 5),
            seconds=round(seconds),
            seconds_left=None if left is None else round(left),
            memory_mb=memory_mb(trainer.device),
            learning_rate=means.get("learning_rate"),
            gradient_norm=means.get("gradient_norm"),
            losses={name: value for name, value in means.items() if name.startswith(LOSS)},
        )

    def _save(self) -> CheckpointEvent:
        self.saved = time.monotonic()
        self.trainer.save()
        self.saved_step = self.trainer.progress.step
        return CheckpointEvent(step=self.trainer.progress.step, path=str(self.trainer.files.newest))

    def _evaluate(self) -> Events:
        trainer = self.trainer
        yield self._enter("evaluating")
        model = trainer.averaged()
        result = self.score(model, trainer)
        spent = {"training_seconds": round(trainer.progress.seconds, 2)}
        with self.interrupts.held():  # model, progress and state go together
            self._note(result | spent)
            if trainer.progress.step == 0:  # the score of the start model, not a result of this run
                better, saved = False, None
            else:
                better = self._keep_better(model, result)
                saved = self._save()
        if saved is not None:
            yield saved
        yield EvaluationEvent(step=trainer.progress.step, better=better, **result, **spent)
        if saved is not None and trainer.done < 1.0:
            yield self._enter(TRAINING)

    def _note(self, result: dict[str, Any]) -> None:
        """Add an evaluation to the curves."""
        trainer = self.trainer
        curve = {k: v for k, v in result.items() if k not in ("per_folder", "samples", "score")}
        trainer.progress.curves.append({"step": trainer.progress.step, **curve})
        if self.board is not None:
            shown = {f"val/{k}": v for k, v in curve.items() if k != "training_seconds"}
            self.board.add(trainer.progress.step, shown)

    def _keep_better(self, model: Network, result: dict[str, Any]) -> bool:
        """Keep the model if it is the best so far; whether it is."""
        from napari_centermask.training.run.validate import quality, save_best

        progress = self.trainer.progress
        found = quality(result)
        # Cells of a new kind may not be found until half of the run is over; of equally blind models the last is the furthest.
        better = found > progress.best or found == progress.best == 0
        progress.stale = 0 if better else progress.stale + 1
        if self.settings.schedule == "plateau" and progress.stale and progress.stale % PLATEAU == 0:
            progress.drops += 1
        if better:
            save_best(model, self.trainer, result)
            progress.best = found
        return better

    def _pause(self) -> Events:
        """Save, and wait until the file `pause` is removed or a file `stop` appears."""
        yield self._save()
        give_back(self.trainer.device)
        yield PausedEvent(step=self.trainer.progress.step)
        while self.control.paused:
            time.sleep(_LOOK_S)
        yield ResumedEvent(step=self.trainer.progress.step)
        self.clock.restart()

    def _use_less(self, of_host: bool) -> Events:
        """Continue with half the batch, once; all processes do so together, and each keeps at least one tile."""
        trainer, batch = self.trainer, self.trainer.batch
        release(trainer)
        if self.has_halved or batch <= trainer.world.size:
            yield self._enter("looking for settings that fit")
            raise step_failed(trainer, of_host=of_host)
        self.has_halved, trainer.progress.batch = True, batch // 2
        message = f"Out of memory with {batch} tiles per step; continuing with {batch // 2}."
        yield NoticeEvent(message=message, batch=batch // 2)

    def _finish(self) -> Events:
        """Save the last state, make sure that there is a model, and end the run."""
        trainer, best = self.trainer, self.settings.out / "best.safetensors"
        if self.is_stale:
            message = f"The AP has not improved for {trainer.progress.stale} evaluations; ending the training early."
            yield NoticeEvent(message=message)
        is_stopped = self.control.stopped and trainer.done < 1.0
        is_limited = trainer.done >= 1.0 and trainer.progress.step < self.settings.steps
        if is_limited:
            done = f"{trainer.progress.step:,} of {self.settings.steps:,} steps"
            limit = f"The limit of {self.settings.minutes:g} minutes, counted in the training's own computing,"
            yield NoticeEvent(message=f"{limit} ended it after {done}. To go on, resume it with a longer limit.")
        if is_stopped and trainer.progress.step:
            yield self._save()  # first: an evaluation takes long, and may be interrupted
            if trainer.progress.best < 0:
                yield from self._evaluate()
        if not is_stopped:
            remove_decoded(self.settings.out)
        self.control.clear()
        if trainer.progress.best >= 0 and best.exists():
            yield from self._complete_card(best)
        yield from self._report_ap()
        yield DoneEvent(
            step=trainer.progress.step,
            best=trainer.progress.best,
            out=str(self.settings.out),
            stopped=is_stopped,
            limited=is_limited,
            model=str(best) if best.exists() else None,
        )

    def _complete_card(self, best: Path) -> Events:
        """Give the card of the best model the evaluations after it too; the model is there already."""
        from napari_centermask.training.run.validate import complete_card

        try:
            with self.interrupts.held():
                complete_card(best, self.trainer.progress.curves)
        except (BadModel, CannotSave, OSError) as error:
            yield NoticeEvent(message=f"The card of the model lacks the last evaluations: {error}")

    def _report_ap(self) -> Events:
        """Write AP over steps and time as a table, and as a figure where matplotlib is installed; the model is there already."""
        points = ap_points(self.trainer.progress.curves)
        if not points:
            return
        try:
            write_csv(self.settings.out / AP_TABLE, points)
            with suppress(MissingExtra):
                draw_ap(self.settings.out / AP_FIGURE, points)
        except (CannotSave, OSError) as error:
            yield NoticeEvent(message=f"The curve of the AP was not written: {error}")


def _write_run(settings: TrainSettings) -> None:
    with whole_file(settings.out / "run.json") as part:
        part.write_text(settings.model_dump_json(indent=1), encoding="utf-8")


def _explain_os(error: OSError, settings: TrainSettings) -> TrainingFailed:
    """The error for a full disk or a missing folder, which says how to continue the run."""
    again = f"Then continue with: napari-centermask train {settings.out / 'run.json'} --resume"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return TrainingFailed(f"The disk of {settings.out} is full. Free some space. {again}", reason="disk")
    where = error.filename or settings.out
    return TrainingFailed(
        f"Cannot use {where}: {error.strerror or error}. Make it available again. {again}", reason="data"
    )
