"""The state of a run on disk: the newest, and the one before it in case the newest is damaged."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from napari_centermask.core.errors import TrainingFailed
from napari_centermask.io.whole_file import whole_file
from napari_centermask.training.run.shortage import is_out_of_memory


class StateFiles:
    """`last.pt` and `previous.pt` of a run folder.

    Attributes
    ----------
    is_continued
        Whether the newest state is from this run, not from an earlier one in this folder.
    """

    def __init__(self, folder: Path) -> None:
        self.newest = folder / "last.pt"
        self.earlier = folder / "previous.pt"
        self.is_continued = False

    def write(self, state: dict[str, Any]) -> None:
        """Write a state; the one before it is kept.

        Raises
        ------
        CannotSave
            If the disk is full or the folder gone; both files are as they were.
        """
        previous = self.earlier if self.is_continued else None
        # Into a stream: given a path, torch reports a full disk as a RuntimeError.
        with whole_file(self.newest, previous=previous, make_folder=False) as part, part.open("wb") as stream:
            torch.save(state, stream)
        if not self.is_continued:
            self.earlier.unlink(missing_ok=True)
        self.is_continued = True

    def read(self, restore: Callable[[dict[str, Any]], None]) -> str | None:
        """Restore the newest state that can be read; its tensors are on the CPU.

        Returns
        -------
        str or None
            A message for the user if the newest was damaged, with the one that is used instead.

        Raises
        ------
        TrainingFailed
            If there is none, none can be read, or it does not fit the settings.
        OSError, RuntimeError, MemoryError
            If a file cannot be opened or memory runs out; all files are left unchanged.
        """
        states = [p for p in (self.newest, self.earlier) if p.exists()]
        if not states:
            raise TrainingFailed(
                f"There is no checkpoint to resume from: {self.newest} is missing. Start without --resume.",
                reason="checkpoint",
                remedy={"resume": False},
            )
        for path in states:
            if (state := _load(path)) is not None:
                break
        else:
            raise TrainingFailed(
                f"{' and '.join(map(str, states))} cannot be read: damaged. Start without --resume, in another folder.",
                reason="checkpoint",
                remedy={"resume": False},
            )
        _fit(restore, state, path)
        self.is_continued = True
        if path == states[0]:
            return None
        os.replace(path, self.newest)  # else the damaged state would replace the good one
        return f"{self.newest} is damaged. Resuming from {path.name}"


def _load(path: Path) -> dict[str, Any] | None:
    """The state in a file, None if it is damaged."""
    with path.open("rb") as stream:
        try:
            return torch.load(stream, map_location="cpu", weights_only=True)
        except (
            Exception
        ) as error:  # torch raises many kinds of errors for a damaged file, with advice that does not help here
            if is_out_of_memory(error):
                raise
            return None


def _fit(restore: Callable[[dict[str, Any]], None], state: dict[str, Any], path: Path) -> None:
    """Load a state that could be read."""
    try:
        restore(state)
    except (LookupError, RuntimeError, TypeError, ValueError) as error:
        if is_out_of_memory(error):
            raise
        words = " ".join(str(error).split())
        raise TrainingFailed(
            f"The settings do not fit the checkpoint {path}: {words[:300]}. Resume with the model, "
            "freeze, layer_decay and optimiser that the run had before, or start a new run in another folder."
        ) from error
