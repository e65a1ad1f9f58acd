"""Forms made from settings classes: one row for each field, with its limits and its description."""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, Union, cast, get_args, get_origin

from psygnal import Signal
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from qtpy.QtWidgets import QAbstractSpinBox, QFormLayout, QLabel, QWidget

from napari_centermask.core.errors import BadSettings
from napari_centermask.settings import Settings
from napari_centermask.widgets.parts.layout import show_row

if TYPE_CHECKING:
    from magicgui.widgets import ComboBox
    from magicgui.widgets.bases import ValueWidget

_LABELS = {"nms": "Box NMS", "soft_nms": "Soft NMS", "mask_nms": "Mask NMS", "max_detections": "Most per tile"}
_LIMITS = {"ge": "min", "gt": "min", "le": "max", "lt": "max", "multiple_of": "step"}


class SettingsForm(QWidget):
    """A view of some fields of one settings object.

    Parameters
    ----------
    kind
        The settings class.
    fields
        Names of the fields to show, in order.
    choices
        Values to offer, if only some of those that the field allows make sense here.
    """

    changed = Signal()
    shown = Signal()

    def __init__(
        self, kind: type[Settings], fields: Iterable[str], *, choices: Mapping[str, tuple[str, ...]] | None = None
    ) -> None:
        super().__init__()
        self._kind = kind
        self.rows: dict[str, _Row] = {}
        self._layout = layout = QFormLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setVerticalSpacing(4)
        for name in fields:
            field = kind.model_fields[name]
            row = _Row(name, field, choices=(choices or {}).get(name))
            row.control.changed.connect(self._on_changed)
            label = QLabel(_LABELS.get(name, name.replace("_", " ").capitalize()))
            label.setToolTip(field.description or "")
            layout.addRow(label, row.control.native)
            self.rows[name] = row
        self._silent = False
        self._idle: dict[str, str] = {}

    def value(self) -> dict[str, Any]:
        """The values of fields that have an effect, checked.

        Raises
        ------
        BadSettings
            If a value is out of range.
        """
        values = {name: row.value() for name, row in self.rows.items() if name not in self._idle}
        for name, value in values.items():
            try:
                self._kind.__pydantic_validator__.validate_assignment(self._kind.model_construct(), name, value)
            except ValidationError as error:
                raise BadSettings(f"{name.replace('_', ' ').capitalize()}: {error.errors()[0]['msg']}.") from error
        return values

    def set_value(self, values: dict[str, Any]) -> None:
        """Show these values; `shown` is emitted, and not `changed`."""
        self._silent = True
        try:
            for name, value in values.items():
                if name in self.rows:
                    self.rows[name].set_value(value)
        finally:
            self._silent = False
        self.shown.emit()

    def set_idle(self, reasons: Mapping[str, str], *, hide: bool = False) -> None:
        """Disable or hide the rows of fields without effect; the tooltips say why, and `value` leaves them out."""
        self._idle = {name: why for name, why in reasons.items() if name in self.rows}
        for name, row in self.rows.items():
            row.explain(self._idle.get(name, ""))
            show_row(self._layout, row.control.native, not (hide and name in self._idle))

    def _on_changed(self) -> None:
        if not self._silent:
            self.changed.emit()


class _Row:
    """One field: magicgui's control for its type, or an optional number."""

    def __init__(self, name: str, field: FieldInfo, *, choices: tuple[str, ...] | None) -> None:
        from magicgui.widgets import CheckBox, create_widget

        self._choices = choices or ()
        self.optional, kind = _without_none(field.annotation)
        options: dict[str, Any] = {"tooltip": field.description or ""}
        if kind in (int, float):
            options |= _limits(field, kind)
        if choices is not None:
            kind, options["choices"] = str, choices
            options["widget_type"] = "ComboBox"
        elif get_origin(kind) is Literal:
            options["choices"] = get_args(kind)
        if self.optional:
            options["tooltip"] += " 0 means not set."
            options |= {"min": 0, "widget_type": "SpinBox" if kind is int else "FloatSpinBox"}
        value = 0 if self.optional and field.default is None else field.default
        self.about = options["tooltip"]
        control = create_widget(value=value, annotation=kind, name=name, options=options)
        self.control = cast("ValueWidget[Any]", control)  # all types of our settings have a value
        if isinstance(control, CheckBox):
            control.text = ""  # the row has its label
        if kind is float and (places := _places(field.default)) > 2:
            self.control.native.setDecimals(places + 3)
            self.control.native.setStepType(QAbstractSpinBox.StepType.AdaptiveDecimalStepType)
            self.control.value = value

    def value(self) -> Any:
        value = self.control.value
        return None if self.optional and value == 0 else value

    def set_value(self, value: object) -> None:
        if self._choices and value not in self._choices:  # from a file, perhaps of another computer
            self._choices = (*self._choices, str(value))
            cast("ComboBox", self.control).choices = self._choices
        self.control.value = 0 if value is None else value

    def explain(self, why_idle: str) -> None:
        """Enable the control, or disable it with the reason as tooltip."""
        self.control.enabled = not why_idle
        self.control.tooltip = f"No effect: {why_idle}." if why_idle else self.about


def _without_none(annotation: object) -> tuple[bool, Any]:
    """Whether None is allowed, and the rest of the annotation."""
    if get_origin(annotation) in (Union, types.UnionType):
        rest = [a for a in get_args(annotation) if a is not type(None)]
        return len(rest) < len(get_args(annotation)), rest[0]
    return False, annotation


def _places(number: float | None) -> int:
    """Decimal places of a number: 3 for 0.001."""
    return 0 if number is None else max(0, -int(Decimal(str(number)).as_tuple().exponent))


def _limits(field: FieldInfo, kind: type) -> dict[str, Any]:
    """magicgui's limits of a number, from the field's constraints."""
    limits: dict[str, Any] = {"min": 0, "max": 1_000_000}
    for part in field.metadata:
        for name, option in _LIMITS.items():
            if getattr(part, name, None) is not None:
                limits[option] = kind(getattr(part, name))
    if kind is int and limits["min"] >= 10:
        limits["min"] = 0  # the box would turn the first digit that is typed into the minimum; `value` checks it
    if kind is float:
        limits["step"] = 0.05 if limits["max"] <= 1 else 1.0
    return limits
