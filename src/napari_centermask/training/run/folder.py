"""Files in a run folder that matter while it runs: requests to pause or stop, and the start model's copy. Needs no torch."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from napari_centermask.settings import TrainSettings

STOP, PAUSE = "stop", "pause"
KEPT = Path("start", "start.safetensors")
"""Copy of the start model, which may be renamed or deleted during the run; not beside `best.safetensors`, so that the folder
still has one model."""


class Control:
    """The requests to the job of one run folder.

    Parameters
    ----------
    folder
        The run folder; `touch stop` in it is enough to stop the job.
    """

    def __init__(self, folder: Path) -> None:
        self.stop_file, self.pause_file = Path(folder) / STOP, Path(folder) / PAUSE

    @property
    def stopped(self) -> bool:
        """Whether the job should end, keeping its best model."""
        return self.stop_file.exists()

    @property
    def paused(self) -> bool:
        """Whether the job should pause; a job that should end does not pause."""
        return self.pause_file.exists() and not self.stopped

    def clear_older(self, moment: float) -> None:
        """Delete requests from before a time (seconds since 1970): they were for a job that has ended since."""
        for file in (self.stop_file, self.pause_file):
            with suppress(FileNotFoundError):
                if file.stat().st_mtime < moment:
                    file.unlink()

    def clear(self) -> None:
        """Delete both requests."""
        self.stop_file.unlink(missing_ok=True)
        self.pause_file.unlink(missing_ok=True)


def start_of(settings: TrainSettings) -> str | Path | None:
    """The start model of a run: the copy in its folder if it is resumed and has one, else the one that the settings name."""
    kept = settings.out / KEPT
    return kept if settings.resume and kept.exists() else settings.start
