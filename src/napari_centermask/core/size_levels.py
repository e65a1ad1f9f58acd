"""Categories whose cells differ so much in size that no single scale shows all of them well."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

SPAN = 3.0
"""Categories whose typical diameters differ by at most this factor share a scale. A choice: at a scale between them, both are
within 1.7 times the size of the model's cells, about the range of zooms in training (`AugmentSettings.scale`)."""


@dataclass(frozen=True)
class SizeLevel:
    """Categories that are found at one scale.

    Attributes
    ----------
    categories
        Their names, smallest cells first.
    diameter
        Typical diameter of their cells, in image pixels.
    """

    categories: tuple[str, ...]
    diameter: float


def size_levels(diameters: Mapping[str, float]) -> tuple[SizeLevel, ...]:
    """Group categories by size, so that no two in a group differ by more than `SPAN`; as few groups as possible.

    Parameters
    ----------
    diameters
        Typical diameter of each category, above 0.

    Returns
    -------
    tuple of SizeLevel
        Smallest cells first; the diameter is the geometric mean of the group's.
    """
    groups: list[list[str]] = []
    for name in sorted(diameters, key=lambda n: diameters[n]):
        if groups and diameters[name] <= SPAN * diameters[groups[-1][0]]:
            groups[-1].append(name)
        else:
            groups.append([name])
    return tuple(SizeLevel(tuple(g), float(np.exp(np.mean(np.log([diameters[n] for n in g]))))) for g in groups)
