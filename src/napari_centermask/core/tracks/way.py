"""The axis along which cells are followed."""

from __future__ import annotations

from dataclasses import dataclass

from napari_centermask.core.errors import BadSettings
from napari_centermask.core.result import Index


@dataclass(frozen=True, slots=True)
class Way:
    """An axis of the planes, and what it means.

    Attributes
    ----------
    axis
        Its position among the axes before height and width.
    is_depth
        Whether it numbers slices of one moment. Otherwise it is time, and a cell of a frame is all that has its track there,
        on whatever slice.
    """

    axis: int = 0
    is_depth: bool = False

    def at(self, index: Index) -> int:
        """The frame or slice of a plane."""
        return index[self.axis]

    def rest(self, index: Index) -> Index:
        """Where a plane is on the other axes."""
        return index[: self.axis] + index[self.axis + 1 :]

    def place(self, at: int, rest: Index) -> Index:
        """The plane of a frame or slice, and a position on the other axes."""
        return (*rest[: self.axis], at, *rest[self.axis :])

    def meets(self, a: Index, b: Index) -> bool:
        """Whether what happens on one plane concerns cells on the other: in depth, only those of the same moment."""
        return not self.is_depth or self.rest(a) == self.rest(b)

    def check(self, leading: tuple[int, ...]) -> None:
        """Make sure that planes with these axes can be followed.

        Raises
        ------
        BadSettings
            If they have no such axis.
        """
        if not 0 <= self.axis < len(leading):
            what = "a z stack" if self.is_depth else "a time series"
            raise BadSettings(f"Expected {what}, but this is a single image. Open all its planes as one image.")


TIME = Way()
"""The first axis, as time."""
