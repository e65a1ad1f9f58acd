"""The state of a button as a value, which docks compute without Qt."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Control:
    """A button.

    Attributes
    ----------
    tooltip
        What the button does; or, if it is disabled, why, and what to do.
    text
        Its label; empty if that never changes.
    """

    tooltip: str
    enabled: bool = True
    text: str = ""


def control(does: str, *reasons: str, text: str = "") -> Control:
    """A button, which is disabled if one of the reasons is not empty; the first one is then its tooltip."""
    reason = next(filter(None, reasons), "")
    return Control(reason or does, enabled=not reason, text=text)
