"""Requests to pause or stop a running job: files in its run folder, which any process or shell can make."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

STOP, PAUSE = "stop", "pause"


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
