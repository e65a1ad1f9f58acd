"""Whether a model suits an image, from what it found: pure numbers, no files."""

from __future__ import annotations

import numpy as np

# `nuclei` on 24 validation images of its own kinds (dsb2018_fluo, bbbc039_fluo16, aits_nuclei, dsb2018_histo): at least 30 % of
# the candidates from a score of 0.2 on reach the threshold, with a median of 0.71 or more. On six images in phase contrast
# (usiigaci_phase, yeastvision_phase) 2 to 11 % do, with a median of 0.63 to 0.69.
_FEW_GOOD = 0.2
_LOW_MEDIAN = 0.68
_ENOUGH = 10  # candidates below which a part says nothing: a choice
_SMALLEST = 5.0  # pixels: smaller cells have no shape; a choice
_LARGEST = 0.5  # of the shorter side of the image; a choice


def misfit(scores: np.ndarray, *, threshold: float, diameter: float, shape: tuple[int, int]) -> str:
    """Why a model does not seem to suit an image; empty if it does.

    Parameters
    ----------
    scores
        (N,) of all candidates of a run, the weak ones included.
    threshold
        The lowest score of a cell.
    diameter
        Typical diameter of the cells in pixels, as given or estimated.
    shape
        (H, W) of the image.
    """
    good = np.asarray(scores)[np.asarray(scores) >= threshold]
    if not len(good):
        return "It found no cells."
    if len(scores) >= _ENOUGH and len(good) < _FEW_GOOD * len(scores):
        return f"Only {len(good):,} of {len(scores):,} candidates reach a score of {threshold:.2f}."
    if float(np.median(good)) < _LOW_MEDIAN:
        return f"The scores are low: half of the cells have less than {np.median(good):.2f}."
    if not _SMALLEST <= diameter <= _LARGEST * min(shape):
        return f"A diameter of {diameter:.0f} px is implausible in an image of {shape[1]} x {shape[0]}."
    return ""


def other_model(used: str, categories: dict[str, list[str]]) -> str:
    """A model that looks for cells of another kind; empty if there is none.

    Only models of a single category count: those of several are made for one assay.

    Parameters
    ----------
    used
        Name of the model that does not suit.
    categories
        Of each model, by its name.
    """
    own = set(categories.get(used, ()))
    return next((n for n, c in categories.items() if n != used and len(c) == 1 and not own & set(c)), "")
