"""Turn errors that a user can correct into messages; every slot of ours goes through here."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, signature
from types import MethodType
from typing import Any
from weakref import WeakMethod

from napari_centermask.core.errors import UserError

_help: list[Callable[[str, Any], object]] = []


def help_with(show: Callable[[str, Any], object]) -> None:
    """Set what shows a page of the documentation in a window, which a higher room does."""
    _help[:] = [show]


def notify(message: str, page: str = UserError.page) -> None:
    """Notify the user of an error, with a button that opens the page about errors of its kind."""
    from napari.utils.notifications import Notification, NotificationSeverity, notification_manager

    def show(notification: Any) -> None:
        for opens in _help:
            opens(page, notification.parentWidget().window())

    actions = (("Help", show),) if _help else ()
    notification_manager.dispatch(Notification(message, NotificationSeverity.ERROR, actions))


def attempt(action: Callable[..., object], *args: Any) -> bool:
    """Call a function on behalf of the user; False, with a notification, if it raises a `UserError`.

    Any other error is a bug and is passed on.
    """
    try:
        action(*args)
    except UserError as error:
        notify(str(error), error.page)
        return False
    return True


def guarded(slot: Callable[..., object]) -> Callable[..., object]:
    """A slot whose `UserError` is shown. It does not keep the object of a bound method alive."""
    try:
        most = _most_arguments(slot)
    except ValueError:  # written in C, like Qt's own slots: it raises no error of ours
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
    """Number of positional arguments that a slot takes, None for any number; Qt may send more."""
    kinds = [p.kind for p in signature(slot).parameters.values()]
    if Parameter.VAR_POSITIONAL in kinds:
        return None
    return sum(kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD) for kind in kinds)
