"""What a button may do, as a value: docks compute it from their state without Qt, and show it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Control:
    """A button.

    Attributes
    ----------
    tooltip
        What it does; or, where it is disabled, why it cannot and what to do.
    text
        Its label; empty where that never changes.
    """

    tooltip: str
    enabled: bool = True
    text: str = ""


def control(does: str, *reasons: str, text: str = "") -> Control:
    """A button that does something; if one of the reasons is not empty, it is disabled and its tooltip is the first."""
    reason = next(filter(None, reasons), "")
    return Control(reason or does, enabled=not reason, text=text)
