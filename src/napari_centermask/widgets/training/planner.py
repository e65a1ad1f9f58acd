"""Computing the settings of a training off the GUI thread: the newest request counts."""

from __future__ import annotations

from typing import Any

from psygnal import Signal

from napari_centermask.widgets.training.plan import DataFolder, Plan, plan
from napari_centermask.widgets.work.runner import Runner
from napari_centermask.widgets.work.tasks import Failed


class Planner:
    """Plans on request, and keeps the newest plan; one that nobody starts leaves nothing on disk.

    Attributes
    ----------
    planned
        With a `Plan` or `Failed` for the newest request; with None where none is wanted any more.
    plan
        The newest one, unless it was released.
    """

    planned = Signal(object)

    def __init__(self) -> None:
        self.plan: Plan | None = None
        self._runner = Runner()
        self._runner.ended.connect(self._on_ended)
        self._wanted: tuple[DataFolder, str] | None = None
        self._asked: tuple[DataFolder, str] | None = None

    @property
    def is_running(self) -> bool:
        """Whether data are being checked."""
        return self._runner.is_running

    def ask(self, source: DataFolder, model: str) -> None:
        """Plan a training on some data from a start model; the plan before is dropped."""
        self.forget()
        self._wanted = (source, model)
        if not self.is_running:
            self._begin(source, model)

    def forget(self) -> None:
        """Drop the plan, and the one in the making."""
        self._wanted = None
        if self.plan is not None:
            self.plan.drop()
        self.plan = None

    def release(self) -> None:
        """The plan was started: its folder is a run now."""
        self.plan = None

    def close(self) -> None:
        """Stop planning and leave nothing behind."""
        self._runner.cancel()
        self.forget()

    def _begin(self, source: DataFolder, model: str) -> None:
        self._asked = (source, model)
        self._runner.start("", plan, source, model)

    def _on_ended(self, value: Any) -> None:
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
