"""Forms made from settings classes: one row for each field, with its title, unit, limits and description."""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, Union, cast, get_args, get_origin

from psygnal import Signal
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from qtpy.QtWidgets import QAbstractSpinBox, QComboBox, QDoubleSpinBox, QFormLayout, QLabel, QVBoxLayout, QWidget

from napari_centermask.core.errors import BadSettings
from napari_centermask.settings import Settings, fault_text
from napari_centermask.widgets.parts.field_text import about, in_titles, label_of, limits_of, shown_of
from napari_centermask.widgets.parts.fold import Fold
from napari_centermask.widgets.parts.layout import show_row

if TYPE_CHECKING:
    from magicgui.widgets import ComboBox
    from magicgui.widgets.bases import ValueWidget

_FEW = 6  # characters that a choice has room for at least
_LIMITS = {"ge": "min", "gt": "min", "le": "max", "lt": "max", "multiple_of": "step"}


class SettingsForm(QWidget):
    """A view of some fields of one settings object.

    Parameters
    ----------
    kind
        The settings class.
    fields
        Names of the fields to show, in order.
    folded
        Heading -> names of further fields, each group folded under its heading.
    choices
        Values to offer, if only some of those that the field allows make sense here.
    """

    changed = Signal()
    shown = Signal()

    def __init__(
        self,
        kind: type[Settings],
        fields: Iterable[str],
        *,
        folded: Mapping[str, Iterable[str]] | None = None,
        choices: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        super().__init__()
        self._kind = kind
        self._choices = choices or {}
        self.rows: dict[str, _Row] = {}
        self.folds: dict[str, Fold] = {}
        self._layouts: dict[str, QFormLayout] = {}
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self._rows_of(fields))
        for heading, names in (folded or {}).items():
            fold = self.folds[heading] = Fold(heading)
            fold.addWidget(self._rows_of(names))
            layout.addWidget(fold)
        self._silent = False
        self._idle: dict[str, str] = {}

    def _rows_of(self, names: Iterable[str]) -> QWidget:
        """The rows of some fields."""
        holder = QWidget()
        layout = QFormLayout(holder)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setVerticalSpacing(4)
        layout.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)  # with larger fonts
        layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for name in names:
            field = self._kind.model_fields[name]
            row = self.rows[name] = _Row(name, field, choices=self._choices.get(name))
            self._layouts[name] = layout
            row.control.changed.connect(self._on_changed)
            label = QLabel(label_of(field))
            label.setToolTip(row.about)
            layout.addRow(label, row.control.native)
        return holder

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
                raise BadSettings(
                    _out_of_range(self._kind.model_fields[name], fault_text(error.errors()[0]))
                ) from error
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
            show_row(self._layouts[name], row.control.native, not (hide and name in self._idle))
        for fold in self.folds.values():
            fold.setVisible(any(not row.control.native.isHidden() for row in self._rows_in(fold)))

    def _rows_in(self, fold: Fold) -> list[_Row]:
        return [row for row in self.rows.values() if fold.isAncestorOf(row.control.native)]

    def _on_changed(self) -> None:
        if not self._silent:
            self.changed.emit()


class _Row:
    """One field: magicgui's control for its type; 0 or an empty text stands for None, and several numbers are one text."""

    def __init__(self, name: str, field: FieldInfo, *, choices: tuple[str, ...] | None) -> None:
        from magicgui.widgets import CheckBox, create_widget

        self._choices = choices or ()
        self.optional, kind = _without_none(field.annotation)
        self.about = about(field)
        options: dict[str, Any] = {"tooltip": self.about}
        if kind in (int, float):
            options |= _limits(field, kind)
        if choices is not None:
            kind, options["choices"] = str, choices
            options["widget_type"] = "ComboBox"
        elif get_origin(kind) is Literal:
            options["choices"] = get_args(kind)
        self._has_several = kind == list[float]
        if self._has_several:
            kind = str
        if self.optional:
            options |= (
                {"min": 0, "widget_type": "SpinBox" if kind is int else "FloatSpinBox"} if kind is not str else {}
            )
        self._nothing: str | int = "" if kind is str else 0
        value = self._nothing if self.optional and field.default is None else self._as_text(field.default)
        control = create_widget(value=value, annotation=kind, name=name, options=options)
        self.control = cast("ValueWidget[Any]", control)  # all types of our settings have a value
        if isinstance(control, CheckBox):
            control.text = ""  # the row has its label
        if kind is float and (places := _places(field.default)) > 2:
            self.control.native.setDecimals(places + 3)
            self.control.native.setStepType(QAbstractSpinBox.StepType.AdaptiveDecimalStepType)
            self.control.value = value
        _fit(control.native)
        if (zero := shown_of(field, "zero")) and isinstance(control.native, QDoubleSpinBox):
            control.native.setSpecialValueText(zero)

    def value(self) -> Any:
        value = self.control.value
        if self._has_several:
            return [_number(text) for text in value.replace(",", " ").split()]
        return None if self.optional and value == self._nothing else value

    def set_value(self, value: object) -> None:
        if self._choices and value not in self._choices:  # from a file, perhaps of another computer
            self._choices = (*self._choices, str(value))
            cast("ComboBox", self.control).choices = self._choices
        self.control.value = self._nothing if value is None else self._as_text(value)

    def _as_text(self, value: Any) -> Any:
        """Several numbers with spaces between them; others as they are."""
        return " ".join(f"{number:g}" for number in value) if self._has_several else value

    def explain(self, why_idle: str) -> None:
        """Enable the control, or disable it with the reason as tooltip."""
        self.control.enabled = not why_idle
        self.control.tooltip = f"No effect: {in_titles(why_idle)}." if why_idle else self.about


def _number(text: str) -> float | str:
    """A number, or a text that is none, which the settings refuse in their words."""
    try:
        return float(text)
    except ValueError:
        return text


def _fit(control: QWidget) -> None:
    """Make a control as narrow as a dock needs it; two numbers in a row have no room for buttons."""
    if isinstance(control, QComboBox):
        control.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        control.setMinimumContentsLength(_FEW)
    for number in control.findChildren(QAbstractSpinBox):
        number.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.NoButtons)
        number.setStyleSheet("min-width: 44px; padding: 1px 4px;")  # napari's has room for buttons


def _out_of_range(field: FieldInfo, fault: str) -> str:
    """What is wrong with a value, and what is right."""
    limits = limits_of(field)
    return f"'{field.title}': {fault}." + (f" Choose a value in its range: {limits}." if limits else "")


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
