"""Counts in sentences: "1 cell", "2,345 cells", "34 nuclei"."""

_PLURALS = {
    "nucleus": "nuclei",
    "cell": "cells",
    "bacterium": "bacteria",
    "spheroid": "spheroids",
    "colony": "colonies",
}
_SINGULARS = {plural: noun for noun, plural in _PLURALS.items()}


def counted(n: int, noun: str, plural: str = "") -> str:
    """The number with its noun; the plural has an s unless it is given.

    Examples
    --------
    >>> counted(1, "cell"), counted(2345, "cell"), counted(2, "axis", "axes")
    ('1 cell', '2,345 cells', '2 axes')
    """
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def counted_category(n: int, category: str) -> str:
    """A number of cells of a category: "34 nuclei", "2 red nuclei"; for a name that is no noun of the field, "2 dead cells"."""
    *before, last = category.split(" ")
    noun = _SINGULARS.get(last.lower(), last.lower())
    if noun not in _PLURALS:
        return counted(n, f"{category} cell")
    return counted(n, " ".join([*before, noun]), " ".join([*before, _PLURALS[noun]]))


def singular(category: str) -> str:
    """The name of a category in small letters, in the singular where its plural is known: "Nuclei" is "nucleus"."""
    name = category.strip().casefold()
    return _SINGULARS.get(name, name)
