"""The packages that a training needs, in the versions that are installed here: another machine trains with the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, distribution

from napari_centermask.core.errors import BadSettings

OURS = "napari-centermask"
REMOTE = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "platform_machine": "x86_64"}
"""The other machine, whatever this one is: markers of requirements are read for it."""


def pinned(extras: Sequence[str] = ("train",)) -> list[str]:
    """Requirements for pip, with all that they require in turn, sorted.

    A package that is not installed here, such as PyTorch on a machine that only submits, keeps the bounds of ours. The part of a
    version after "+" is left out: "2.9.1+cpu" names a build for one kind of machine.

    Raises
    ------
    BadSettings
        If this package itself runs without an installation, so that nothing says what it requires.
    """
    from packaging.utils import canonicalize_name

    found: dict[str, str] = {}
    todo = [(OURS, frozenset(extras))]
    seen = set(todo)
    while todo:
        name, wanted = todo.pop()
        for needed, text in _needs(name, wanted):
            found[canonicalize_name(needed[0])] = text
            if needed not in seen:
                seen.add(needed)
                todo.append(needed)
    found.pop(OURS, None)
    return sorted(found.values(), key=str.lower)


def _needs(name: str, extras: frozenset[str]) -> Iterator[tuple[tuple[str, frozenset[str]], str]]:
    """What a package requires: name and extras, and the line for pip."""
    from packaging.requirements import Requirement

    try:
        lines = distribution(name).requires or []
    except PackageNotFoundError:
        if name == OURS:
            raise BadSettings(
                f"The versions to train with are those installed here, but {OURS} is not installed: pip install {OURS}"
            ) from None
        return
    for line in lines:
        need = Requirement(line)
        if need.marker and not any(need.marker.evaluate({**REMOTE, "extra": extra}) for extra in ("", *extras)):
            continue
        yield (need.name, frozenset(need.extras)), _line(need.name, str(need.specifier))


def _line(name: str, bounds: str) -> str:
    from packaging.version import Version

    try:
        return f"{name}=={Version(distribution(name).version).public}"
    except PackageNotFoundError:
        return f"{name}{bounds}"
