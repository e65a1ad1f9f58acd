"""What an array's axes mean where its file does not name them all."""

from __future__ import annotations

import numpy as np

from napari_centermask.core.errors import BadImage

FEW = 8
"""An axis up to this long may be channels: more dyes are not imaged at once."""
CHANNELS = 5
"""A third axis up to this long is channels if nothing names it: stacks that short are rare, images of up to five dyes are not."""
KNOWN = "TZCYXS"


def without_single(data: np.ndarray, axes: str) -> tuple[np.ndarray, str]:
    """The array and its axes without those of length 1, but for height and width."""
    kept = [letter in "YX" or length != 1 for letter, length in zip(axes, data.shape, strict=True)]
    data = data[tuple(slice(None) if k else 0 for k in kept)]
    return data, "".join(letter for letter, k in zip(axes, kept, strict=True) if k)


def complete_axes(name: str, shape: tuple[int, ...], axes: str) -> tuple[str, str]:
    """Give every axis one of the letters T, Z, C, Y, X, S.

    Parameters
    ----------
    name
        Name of the file, for messages.
    axes
        The file's letter for each axis; any other letter for an axis without a name.

    Returns
    -------
    axes, other
        The axes, and those that they can also be; empty if nothing was ambiguous. `doubt` says so.

    Raises
    ------
    BadImage
        If there are too many axes, or height and width are not clear.
    """
    unnamed = [a for a in axes if a not in KNOWN]
    if not unnamed:
        return axes, ""
    if len(shape) > 5:
        raise BadImage(f"{name} has {len(shape)} axes; at most 5 can be read. Save it as a TIFF with named axes.")
    if "S" not in axes and "C" not in axes and is_channels(shape[-1], shape[-3:-1]):
        last = "S" if shape[-1] in (3, 4) else "C"
        return _leading(len(shape) - 3) + "YX" + last, ""  # nobody images such narrow strips
    return _stacked(shape, axes, unnamed)


def _stacked(shape: tuple[int, ...], axes: str, unnamed: list[str]) -> tuple[str, str]:
    """Height and width come last, after planes, or channels if there are few."""
    free = [a for a in "ZT" if a not in axes]
    if len(unnamed) > len(free):
        free.append("C")
    for letter, new in zip(reversed(unnamed), free, strict=False):
        at = axes.rindex(letter)
        axes = axes[:at] + new + axes[at + 1 :]
    if axes == "CTZYX":
        return _of_five(shape)
    if axes[:-2].count("Z") == 1 and "C" not in axes and "S" not in axes:
        at = axes.index("Z")
        if 1 < shape[at] <= FEW:
            as_channels = axes.replace("Z", "C")
            return (as_channels, axes) if axes == "ZYX" and shape[at] <= CHANNELS else (axes, as_channels)
        if axes == "TZYX" and 1 < shape[0] <= FEW:
            return axes, "CZYX"
    return axes, ""


def _of_five(shape: tuple[int, ...]) -> tuple[str, str]:
    """Channels come third, as in ImageJ, or first where only that axis is short enough; aloud, as both are in use."""
    third, first = "TZCYX", "CTZYX"
    return (first, third) if shape[2] > FEW >= shape[0] else (third, first)


def guess_axes(name: str, shape: tuple[int, ...]) -> tuple[str, str]:
    """The axes of an array without any names, and those that they can also be, as in `complete_axes`.

    Height and width are the last two; a last axis of 8 or less is channels (of 3 or 4 colours), and so is a short first one.

    Raises
    ------
    BadImage
        If it has fewer than 2 or more than 5 axes.
    """
    if len(shape) == 2:
        return "YX", ""
    if not 3 <= len(shape) <= 5:
        raise BadImage(f"{name} has {len(shape)} axes; 2 to 5 can be read. Save it as a TIFF with named axes.")
    if is_channels(shape[-1], shape[-3:-1]):
        return _leading(len(shape) - 3) + "YX" + ("S" if shape[-1] in (3, 4) else "C"), ""
    if len(shape) == 5:
        return _of_five(shape)
    stacked = _leading(len(shape) - 2)
    if shape[-3] > FEW:
        is_first = len(shape) == 4 and 1 < shape[0] <= FEW
        return ("CZYX", "TZYX") if is_first else (stacked + "YX", "")
    channels = {3: "CYX", 4: "TCYX"}[len(shape)]
    return channels, stacked + "YX" if shape[-3] > 1 else ""


def given_axes(name: str, shape: tuple[int, ...], axes: str) -> str:
    """Axes given by the user, in capitals.

    Raises
    ------
    BadImage
        If they do not name each axis of the image once, including height and width.
    """
    axes = axes.upper()
    if set(axes) - set(KNOWN) or len(set(axes)) != len(axes) or not {"Y", "X"} <= set(axes) or {"C", "S"} <= set(axes):
        raise BadImage(f"'{axes}' are not axes such as YX, CYX, ZYX, TCYX or YXC. Give each axis one letter.")
    if len(axes) != len(shape):
        size = " x ".join(map(str, shape))
        raise BadImage(f"'{axes}' does not have a letter for each axis of {name} ({size}). Give one for each.")
    return axes


def is_channels(n: int, sides: tuple[int, ...]) -> bool:
    """Whether a last axis is so short beside two others that it can only be channels: no image is 8 pixels wide."""
    return len(sides) == 2 and n <= FEW and 2 * n <= min(sides) > FEW


def _leading(n: int) -> str:
    """Letters for n axes of planes."""
    return {0: "", 1: "Z", 2: "TZ"}[n]


def doubt(name: str, shape: tuple[int, ...], axes: str, other: str) -> str:
    """What was assumed about the axes of a file, and how to change it; empty without other axes that they can be."""
    if not other:
        return ""
    size = " x ".join(map(str, shape))
    return f"{name} does not name its axes: {size} was read as {axes}. If that is wrong, use --axes {other}."
