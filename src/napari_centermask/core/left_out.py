"""What a run over many files leaves out, and why: one bad file does not end it."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, TypeVar

from napari_centermask.core.errors import Cancelled, UserError, reason
from napari_centermask.core.interrupts import HeldInterrupts
from napari_centermask.core.progress import silent

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class LeftOut(Generic[Key]):
    """The items that failed, each with a sentence for a person.

    Parameters
    ----------
    say
        Called with each sentence at once.
    but
        Errors that concern all items alike, which end the run.

    Attributes
    ----------
    why
        Sentences by item.
    stopped
        Whether a person stopped `until_stopped`.
    """

    def __init__(self, say: Callable[[str], None] = silent, *, but: tuple[type[Exception], ...] = ()) -> None:
        self.why: dict[Key, str] = {}
        self.stopped = False
        self._say = say
        self._but: tuple[type[Exception], ...] = (Cancelled, *but)

    def __bool__(self) -> bool:
        """Whether anything failed."""
        return bool(self.why)

    @property
    def sentences(self) -> list[str]:
        """Why items were left out, in the order in which they failed."""
        return list(self.why.values())

    @contextmanager
    def unless_done(self, item: Key, name: str = "") -> Iterator[None]:
        """Work on one item; whatever it raises is noted, and the next one follows.

        Libraries raise any class of error over a damaged file, and a full disk or memory concerns this file alone until the
        next one shows otherwise. Only a person who stops the work ends it.

        Parameters
        ----------
        name
            What a person calls the item, if not as it is itself.
        """
        try:
            yield
        except self._but:
            raise
        except Exception as error:  # see the docstring
            self.add(item, explain(error), name)

    def until_stopped(self, results: Iterable[Value]) -> Iterator[Value]:
        """Results as far as they come until a person stops the work (Ctrl-C), so that it ends with what is done.

        A result that is being used when that happens is used to its end, so that no half of it counts; a second Ctrl-C ends
        everything.

        Raises
        ------
        KeyboardInterrupt
            If nothing is done by then.
        """
        done = False
        with HeldInterrupts() as interrupts:
            try:
                for result in results:
                    with interrupts.held():
                        yield result
                        done = True
            except KeyboardInterrupt:
                if not done:
                    raise
                self.stopped = True

    def skip(self, items: Iterable[Key]) -> None:
        """Leave out, without a word for each, the items for which no time was left when the work was stopped."""
        self.why |= {item: "The work was stopped before." for item in items if item not in self.why}

    def add(self, item: Key, why: str, name: str = "") -> None:
        """Note why an item is left out."""
        name = name or str(item)
        is_named = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", why)
        self.why[item] = why if is_named else f"{name}: {why}"
        self._say(self.why[item])


_RUNTIMES = {"onnxruntime", "openvino", "tensorrt", "torch"}
"""Packages that run networks; their errors are not about an image."""


def explain(error: Exception) -> str:
    """An error as a sentence; an unexpected one has its place in the code, for a report."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, MemoryError):
        return "Out of memory. Close other programs, or cut the image into smaller ones."
    if isinstance(error, ImportError):
        return f"A package cannot be imported: {error}. Install it, or reinstall napari-centermask."
    if isinstance(error, OSError) and error.strerror:
        about = f" ({error.filename})" if error.filename else ""
        return f"{error.strerror}{about}. Check the disk and the file, then try again."
    place = traceback.extract_tb(error.__traceback__)[-1:]
    if any(_RUNTIMES & set(Path(frame.filename).parts) for frame in place):
        return f"The network failed: {reason(error)}. Choose another --engine or smaller --tile, or export the model again."
    where = "".join(f" in {Path(frame.filename).name}, line {frame.lineno}" for frame in place)
    return f"{type(error).__name__}{where}: {error}. If the file opens elsewhere, please report this."
