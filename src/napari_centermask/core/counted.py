"""Counts in sentences: "1 cell", "2,345 cells"."""


def counted(n: int, noun: str, plural: str = "") -> str:
    """The number with its noun; the plural has an s unless it is given.

    Examples
    --------
    >>> counted(1, "cell"), counted(2345, "cell"), counted(2, "axis", "axes")
    ('1 cell', '2,345 cells', '2 axes')
    """
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"
