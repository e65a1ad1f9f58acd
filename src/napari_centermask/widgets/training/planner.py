"""Compute training settings off the GUI thread; only the latest request counts."""

from __future__ import annotations

from psygnal import Signal

from napari_centermask.widgets.training.plan import DataFolder, Plan, plan
from napari_centermask.widgets.work.runner import Runner
from napari_centermask.widgets.work.tasks import Failed


class Planner:
    """Plans on request and keeps the latest plan; one that is not started leaves nothing on disk.

    Attributes
    ----------
    planned
        Emitted with a `Plan` or `Failed` for the latest request; with None if it was cancelled.
    plan
        The latest plan, unless it was released.
    """

    planned = Signal(object)

    def __init__(self) -> None:
        self.plan: Plan | None = None
        self._runner = Runner()
        self._runner.ended.connect(self._on_ended)
        self._wanted: tuple[DataFolder, str, str] | None = None
        self._asked: tuple[DataFolder, str, str] | None = None

    @property
    def is_running(self) -> bool:
        """Whether data are being checked."""
        return self._runner.is_running

    def ask(self, source: DataFolder, model: str, network: str = "") -> None:
        """Plan training on some data from a start model, or of a new network of a family; an earlier plan is discarded."""
        self.forget()
        self._wanted = (source, model, network)
        if not self.is_running:
            self._begin(*self._wanted)

    def forget(self) -> None:
        """Discard the plan, and cancel one in progress."""
        self._wanted = None
        if self.plan is not None:
            self.plan.drop()
        self.plan = None

    def cancel(self) -> None:
        """Discard the plan, and stop one in progress at once."""
        self.forget()
        self._runner.cancel()

    def release(self) -> None:
        """The plan was started, so its folder is now a run."""
        self.plan = None

    def close(self) -> None:
        """Stop planning and leave nothing behind."""
        self._runner.cancel()
        self.forget()

    def _begin(self, source: DataFolder, model: str, network: str) -> None:
        self._asked = (source, model, network)
        self._runner.start("", plan, *self._asked)

    def _on_ended(self, value: object) -> None:
        wanted, self._wanted = self._wanted, None
        if wanted != self._asked:  # another choice was made meanwhile
            if isinstance(value, Plan):
                value.drop()
            if wanted is None:
                self.planned.emit(None)
            else:
                self.ask(*wanted)
        elif isinstance(value, Plan):
            self.plan = value
            self.planned.emit(value)
        else:
            failed = value if isinstance(value, Failed) else Failed("The data could not be checked.")
            self.planned.emit(failed)
