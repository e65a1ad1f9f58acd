"""Losses that know what they are means over, so that those of parts of a batch make that of the whole."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor


class Losses(dict[str, Tensor]):
    """Losses of a batch by name.

    Parameters
    ----------
    values
        Scalars.
    counts
        What each was divided by, such as a number of locations or regions, as scalars; 0 where a batch has none. The loss of
        two parts of a batch is the mean of theirs with these weights. A loss without a count weighs 1 in each.
    """

    def __init__(self, values: Mapping[str, Tensor], counts: Mapping[str, Tensor]) -> None:
        super().__init__(values)
        self.counts = dict(counts)

    def and_of(self, other: Losses) -> Losses:
        """These losses and others of the same batch."""
        return Losses({**self, **other}, {**self.counts, **other.counts})


def counts_of(losses: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The counts of losses; one each for losses without."""
    counts = losses.counts if isinstance(losses, Losses) else {}
    return {name: counts.get(name, value.new_ones(())).to(value.dtype) for name, value in losses.items()}
