"""File > Open Sample > CenterMask: real images; resources/samples/ATTRIBUTION.md names their sources."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from napari_centermask.io.files import copy_file
from napari_centermask.io.images import read_plane

FOLDER = Path(__file__).parents[2] / "resources" / "samples"
LayerData = tuple[Any, dict[str, Any], str]
PROJECT, TUTORIAL = "CenterMask samples", "CenterMask tutorial"
OUTLINES = "outlines.json"
_NUCLEI = {
    "1 overlapping (semi-synthetic).png": "nuclei_overlapping_semisynthetic.png",
    "2 small field.png": "nuclei_fluorescence_small.png",
    "3 large field.png": "nuclei_fluorescence.png",
    "4 screen.png": "nuclei_screen_16bit.png",
}
_PHASE = {f"phase contrast {n}.png": f"tutorial/phase_contrast_{n}.png" for n in range(1, 6)}
_PHASE[OUTLINES] = f"tutorial/{OUTLINES}"
_OF_PROJECT = {PROJECT: _NUCLEI, TUTORIAL: _PHASE}
"""The files of each project of samples, by the names they get there."""


def copy_samples(parent: Path, project: str = PROJECT) -> Path:
    """Make a folder in `parent` with images for a project; existing files stay.

    Parameters
    ----------
    project
        Name of the folder: `PROJECT` for nuclei, `TUTORIAL` for cells in phase contrast, four images of them with outlines.

    Raises
    ------
    CannotSave
        If it cannot be written; what is there is whole.
    """
    folder = parent / project
    for new, name in {**_OF_PROJECT[project], "ATTRIBUTION.md": "ATTRIBUTION.md"}.items():
        if not (folder / new).exists():
            copy_file(FOLDER / name, folder / new)
    return folder


def _sample(name: str, title: str, *, gamma: float = 1.0) -> list[LayerData]:
    plane = read_plane(FOLDER / f"{name}.png")
    rgb = len(plane) == 3
    image = np.moveaxis(plane, 0, -1) if rgb else plane[0]
    arguments: dict[str, Any] = {"name": title, "rgb": rgb, "metadata": {"attribution": str(FOLDER / "ATTRIBUTION.md")}}
    if not rgb:
        arguments |= {"contrast_limits": [float(v) for v in np.percentile(image, (0.5, 99.8))], "gamma": gamma}
    return [(image, arguments, "image")]


def nuclei_fluorescence() -> list[LayerData]:
    """Fluorescence nuclei, 520 x 696 (BBBC038, CC0)."""
    return _sample("nuclei_fluorescence", "nuclei", gamma=0.7)


def nuclei_fluorescence_small() -> list[LayerData]:
    """Fluorescence nuclei, 256 x 256 (BBBC038, CC0)."""
    return _sample("nuclei_fluorescence_small", "nuclei small")


def nuclei_histology() -> list[LayerData]:
    """H&E-stained nuclei, RGB (BBBC038, CC0)."""
    return _sample("nuclei_histology", "histology")


def nuclei_screen() -> list[LayerData]:
    """U2OS nuclei of a screen, 16 bit (BBBC039, CC0)."""
    return _sample("nuclei_screen_16bit", "screen", gamma=0.8)


def nuclei_overlapping() -> list[LayerData]:
    """Overlapping nuclei, semi-synthetic: real nuclei added onto a real field (from BBBC038, CC0)."""
    return _sample("nuclei_overlapping_semisynthetic", "overlapping", gamma=0.8)


def cells_phase() -> list[LayerData]:
    """T98G cells, phase contrast, 16 bit (Usiigaci, MIT)."""
    return _sample("cells_phase_16bit", "phase contrast")


def yeast_brightfield() -> list[LayerData]:
    """Budding yeast, bright field, 16 bit (BABY, MIT)."""
    return _sample("yeast_brightfield_16bit", "yeast")


def livedead_brightfield() -> list[LayerData]:
    """Living and dead cells in a counting chamber, bright field (Cell-Dataset, MIT)."""
    return _sample("livedead_brightfield", "living and dead")


def bacteria_phase() -> list[LayerData]:
    """Rod-shaped bacteria, phase contrast; synthetic (CellSium, CC0)."""
    return _sample("bacteria_phase_synthetic", "bacteria")


def nuclei_brightfield() -> list[LayerData]:
    """Cervical cytology, bright field, 1024 x 1024 (BBBC038, CC0)."""
    return _sample("nuclei_brightfield", "cytology")
