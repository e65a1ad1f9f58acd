"""Filter the table of cells by a typed text such as `score<0.6 overlap>20% accepted`."""

from __future__ import annotations

import operator
import re

import numpy as np

from napari_centermask.core.columns import STATUSES, Columns
from napari_centermask.core.errors import BadSettings

_NUMBERS = {
    "id": "id",
    "score": "score",
    "quality": "mask_quality",
    "area": "area",
    "overlap": "overlap",
    "solidity": "solidity",
}
_SIGNS = {
    "<=": operator.le,
    ">=": operator.ge,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "=": operator.eq,
}
_TERM = re.compile(r"(?P<name>[a-z]+)(?P<sign><=|>=|!=|<|>|=)(?P<value>.+)")
_EXAMPLE = "score<0.6 overlap>20% predicted"


def matching(columns: Columns, text: str) -> np.ndarray:
    """The rows that match all words of a filter.

    Parameters
    ----------
    text
        Words separated by spaces: comparisons of id, score, quality, area, overlap or solidity with a number (percent
        allowed); a whole number is an id; other words are searched for in status, category and source.

    Returns
    -------
    numpy.ndarray
        (rows,) bool; false in free rows.

    Raises
    ------
    BadSettings
        If a comparison has no known column or no number.
    """
    matches = columns.data["id"] > 0
    for word in text.lower().split():
        matches &= _holds(columns, word)
    return matches


def _holds(columns: Columns, word: str) -> np.ndarray:
    term = _TERM.fullmatch(word)
    if term is not None:
        return _compare(columns, **term.groupdict())
    if word.isdecimal():
        has_id: np.ndarray = columns.data["id"] == int(word)
        return has_id
    if any(sign in word for sign in "<>="):
        raise BadSettings(f"'{word}' is not a comparison such as 'score<0.6'. Example: {_EXAMPLE}")
    return _mentions(columns, word)


def _compare(columns: Columns, name: str, sign: str, value: str) -> np.ndarray:
    if name not in _NUMBERS:
        raise BadSettings(
            f"'{name}' cannot be compared. Use one of {', '.join(_NUMBERS)} before '{sign}'. Example: {_EXAMPLE}"
        )
    try:
        number = float(value.rstrip("%")) / (100 if value.endswith("%") else 1)
    except ValueError:
        raise BadSettings(f"'{value}' after '{name}{sign}' is not a number. Example: {_EXAMPLE}") from None
    numbers = columns.data[_NUMBERS[name]]
    limit = numbers.dtype.type(number) if numbers.dtype == np.float32 else number
    fits: np.ndarray = _SIGNS[sign](numbers, limit) & ~np.isnan(numbers)
    return fits


def _mentions(columns: Columns, word: str) -> np.ndarray:
    data, names = columns.data, columns.result.categories
    statuses = [k for k, status in enumerate(STATUSES) if word in status]
    categories = [k for k, name in names.items() if word in str(name).lower()]
    sources = [k for k, source in enumerate(columns.sources) if word in source.lower()]
    return np.isin(data["status"], statuses) | np.isin(data["category"], categories) | np.isin(data["source"], sources)
