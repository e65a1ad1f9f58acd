"""How far a piece of work is: what the pipeline's generators yield, and how to run one to its end."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Progress:
    """Yielded between steps; whoever iterates may stop there.

    Attributes
    ----------
    done, total
        Steps, of which one may be done in part; total is 0 while their number is unknown.
    message
        What comes next, for a person.
    """

    done: float
    total: float
    message: str

    @property
    def part(self) -> float:
        """Done in [0, 1]."""
        return self.done / self.total if self.total else 0.0


def run_through(steps: Generator[Progress, None, T]) -> T:
    """Exhaust a generator and return its value."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            value: T = end.value
            return value


def scaled_to(steps: Generator[Progress, None, T], number: int, total: int, title: str) -> Generator[Progress, None, T]:
    """The steps of piece `number` (from 0) of `total` as progress of the whole; `title` precedes their messages."""
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            value: T = end.value
            return value
        yield Progress(number + step.part, total, title + step.message)
