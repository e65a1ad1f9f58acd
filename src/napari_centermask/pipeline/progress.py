"""Progress that the pipeline's generators yield, and how to run a generator to its end."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Progress:
    """Yielded between steps; the caller may stop there.

    Attributes
    ----------
    done, total
        Numbers of steps, possibly fractional; total is 0 while it is unknown.
    message
        The next step, in words for the user.
    """

    done: float
    total: float
    message: str

    @property
    def part(self) -> float:
        """Fraction done, in [0, 1]."""
        return self.done / self.total if self.total else 0.0


def run_through(steps: Generator[object, None, T]) -> T:
    """Exhaust a generator and return its value."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            value: T = end.value
            return value


def scaled_to(steps: Generator[Progress, None, T], number: int, total: int, title: str) -> Generator[Progress, None, T]:
    """Run part `number` (from 0) of `total` and yield the progress of the whole; `title` precedes its messages."""
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            value: T = end.value
            return value
        yield Progress(number + step.part, total, title + step.message)
