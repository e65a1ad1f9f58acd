"""The history of a project that another window writes."""

from __future__ import annotations

from napari_centermask.core.errors import ReadOnlyProject
from napari_centermask.core.history import Edit, History
from napari_centermask.core.result import Result


class ClosedHistory(History):
    """Refuses every edit, so that none is made that cannot be kept.

    Parameters
    ----------
    reason
        Why, in a sentence for a person.
    """

    def __init__(self, result: Result, reason: str) -> None:
        super().__init__(result)
        self.reason = reason

    def do(self, name, changes=(), *, regions=()) -> Edit | None:
        """Refuse.

        Raises
        ------
        ReadOnlyProject
            Always.
        """
        raise ReadOnlyProject(self.reason)
