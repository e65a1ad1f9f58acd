"""How far an exported graph is from torch, and how far it may be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from napari_centermask.core.errors import UserError

SHAPES = ((1, 512, 512), (2, 320, 256), (1, 96, 416))
"""(tiles, height, width) of noise that a graph is checked with, besides real images: one and several, high and wide; a choice."""
TOLERANCE = 1e-4
"""Largest absolute difference of an output. Those of `nuclei` are 9e-6, and 5e-5 pixels of its boxes."""
_LARGE = 10.0
"""Values from which the tolerance grows with them: at 300, as distances in large cells are, float32 itself is 3e-5 coarse."""
LEAST_IOU = 0.999
"""Of the masks of a cell."""
SINGLE_PIXELS = 2
"""Pixels by which they may differ in any case: rounding decides those at the threshold, and in a cell of 54 pixels one is 2 %."""


class ParityError(UserError):
    """The exported graphs do not compute what torch computes."""

    page = "export#compared-with-torch"


@dataclass(frozen=True)
class CellParity:
    """The cells of a real image, found by both.

    Attributes
    ----------
    cells
        How many torch finds.
    iou
        The smallest IoU of the two masks of a cell; 1 without cells.
    score
        The largest difference of a score.
    """

    image: str
    cells: int
    iou: float
    score: float


@dataclass
class Parity:
    """Largest absolute difference of each output over all that was compared.

    Attributes
    ----------
    differences
        Output -> difference; `ltrb` is in pixels.
    largest
        Output -> largest absolute value of torch's.
    shapes
        (tiles, height, width) of what was compared.
    images
        The cells of real images.
    opset
        That of the graphs.
    """

    differences: dict[str, float] = field(default_factory=dict)
    largest: dict[str, float] = field(default_factory=dict)
    shapes: list[tuple[int, int, int]] = field(default_factory=list)
    images: list[CellParity] = field(default_factory=list)
    opset: int = 0

    def compare(self, names: Sequence[str], expected: Iterable[torch.Tensor], actual: Iterable[np.ndarray]) -> None:
        """Note the differences of some outputs.

        Raises
        ------
        ParityError
            If a shape differs.
        """
        for name, tensor, b in zip(names, expected, actual, strict=True):
            a = tensor.numpy()
            if a.shape != b.shape:
                raise ParityError(
                    f"ONNX Runtime gives '{name}' of shape {b.shape}, torch {a.shape}. Nothing was exported."
                )
            worst = float(np.abs(a - b).max(initial=0))
            # NaN is never below a tolerance, so it must not be lost in max().
            self.differences[name] = worst if np.isnan(worst) else max(self.differences.get(name, 0.0), worst)
            self.largest[name] = max(self.largest.get(name, 0.0), float(np.abs(a).max(initial=0)))

    def tolerance(self, name: str) -> float:
        """What an output may differ by."""
        return TOLERANCE * max(1.0, self.largest[name] / _LARGE)

    def accept(self) -> Parity:
        """Itself.

        Raises
        ------
        ParityError
            If an output differs too much.
        """
        for name, difference in self.differences.items():
            if not difference <= self.tolerance(name):
                raise ParityError(
                    f"ONNX Runtime differs from torch by {difference:.3g} for '{name}', more than {self.tolerance(name):.3g}. "
                    "Nothing was exported. Use the torch engine, or report the model's settings."
                )
        return self


def open_session(path: Path) -> Any:
    """A graph on ONNX Runtime and the CPU, to compare with torch."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
