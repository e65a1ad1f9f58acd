"""The state of a run on disk: the newest, and the one before it for the day the newest is damaged."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from .failed import TrainingFailed


class StateFiles:
    """`last.pt` and `previous.pt` of a run folder.

    Attributes
    ----------
    is_continued
        Whether the newest is of this run, not of an earlier one in this folder.
    """

    def __init__(self, folder: Path) -> None:
        self.newest = folder / "last.pt"
        self.earlier = folder / "previous.pt"
        self.is_continued = False

    def write(self, state: dict[str, Any]) -> None:
        """Write a state under a temporary name and rename it; the state before is kept."""
        part = self.newest.with_suffix(".part")
        try:
            with part.open("wb") as stream:  # given a path, torch reports a full disk as a RuntimeError
                torch.save(state, stream)
                stream.flush()
                os.fsync(stream.fileno())
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        if self.is_continued and self.newest.exists():
            os.replace(self.newest, self.earlier)
        elif not self.is_continued:
            self.earlier.unlink(missing_ok=True)
        self.is_continued = True
        os.replace(part, self.newest)

    def read(self, restore: Callable[[dict[str, Any]], None], device: torch.device) -> str | None:
        """Restore the newest state that can be read.

        Returns
        -------
        str or None
            What a person should know: that the newest was damaged, and from which it goes on.

        Raises
        ------
        TrainingFailed
            If there is none, or none can be read.
        """
        found = [p for p in (self.newest, self.earlier) if p.exists()]
        if not found:
            raise TrainingFailed(
                f"Expected a checkpoint to resume from, {self.newest} is missing. Start again without --resume.",
                reason="checkpoint",
                remedy={"resume": False},
            )
        faults = []
        for path in found:
            try:
                restore(torch.load(path, map_location=device, weights_only=True))
            except Exception:  # torch raises many kinds for a damaged file, with advice that does not help here
                faults.append(f"{path} is damaged")
                continue
            self.is_continued = True
            if faults:  # else the damaged state would take the place of the good one
                os.replace(path, self.newest)
            return f"{faults[0]}. Going on from {path.name}" if faults else None
        raise TrainingFailed(
            f"{'; '.join(faults)}. Start again without --resume.", reason="checkpoint", remedy={"resume": False}
        )
