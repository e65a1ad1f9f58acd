"""The gate that every entry goes through: what a person can mend becomes a message, not a traceback."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, signature
from types import MethodType
from typing import Any
from weakref import WeakMethod

from napari_centermask.core.errors import UserError


def attempt(action: Callable[..., object], *args: Any) -> bool:
    """Do something that a person asked for; False, with a notification, if it cannot be done.

    Only `UserError` is a message; any other error is a fault of ours and passes.
    """
    from napari.utils.notifications import show_error

    try:
        action(*args)
    except UserError as error:
        show_error(str(error))
        return False
    return True


def guarded(slot: Callable[..., object]) -> Callable[..., object]:
    """A slot behind the gate. It keeps the object of a bound method no longer alive than others do."""
    try:
        most = _most_arguments(slot)
    except ValueError:  # written in C, as Qt's own: it raises no error of ours
        return slot
    held: Callable[[], Callable[..., object] | None] = (
        WeakMethod(slot) if isinstance(slot, MethodType) else lambda: slot
    )

    @wraps(slot)
    def run(*args: Any) -> None:
        action = held()
        if action is not None:
            attempt(action, *args[:most])

    if isinstance(slot, MethodType):
        del run.__dict__["__wrapped__"]  # it would keep the object alive
        run.__dict__["__signature__"] = signature(slot)  # psygnal and napari count the arguments
    return run


def _most_arguments(slot: Callable[..., object]) -> int | None:
    """How many positional arguments it takes, None for any number; Qt sends more than some slots take."""
    kinds = [p.kind for p in signature(slot).parameters.values()]
    if Parameter.VAR_POSITIONAL in kinds:
        return None
    return sum(kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD) for kind in kinds)
