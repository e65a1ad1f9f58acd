"""The start model's weights in a run folder, as the model may be renamed or deleted during the run. Needs no torch."""

from __future__ import annotations

from pathlib import Path

from napari_centermask.settings import TrainSettings

KEPT = Path("start", "start.safetensors")
"""Not beside `best.safetensors`, so that the folder still has one model."""


def start_of(settings: TrainSettings) -> str | Path | None:
    """The start model of a run: the copy in its folder if it is resumed and has one, else the one that the settings name."""
    kept = settings.out / KEPT
    return kept if settings.resume and kept.exists() else settings.start
