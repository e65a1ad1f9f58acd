"""Failure of a training run."""

from __future__ import annotations

from typing import Any

from napari_centermask.core.errors import UserError


class TrainingFailed(UserError):
    """Training cannot continue; the message says why and what to change.

    Parameters
    ----------
    reason
        "memory", "disk", "data", "numbers" or "checkpoint".
    remedy
        Settings to retry with.
    """

    def __init__(self, message: str, *, reason: str = "settings", remedy: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.remedy = remedy or {}
