"""A training that cannot go on."""

from __future__ import annotations

from typing import Any

from napari_centermask.core.errors import UserError


class TrainingFailed(UserError):
    """Training cannot go on; the message says why and what to change.

    Parameters
    ----------
    reason
        "memory", "disk", "data", "numbers" or "checkpoint".
    remedy
        Settings with which it may be tried again.
    """

    def __init__(self, message: str, *, reason: str = "settings", remedy: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.remedy = remedy or {}
