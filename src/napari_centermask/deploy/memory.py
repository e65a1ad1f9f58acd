"""The largest resident memory of this process, where the system tells it."""

from __future__ import annotations

from pathlib import Path


def reset_peak() -> None:
    """Begin to look for the largest size again (Linux only)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def peak_mb() -> float | None:
    """Largest resident size in MiB since the last reset; None if the system does not tell."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    lines = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
    return int(lines[0].split()[1]) / 1024 if lines else None
