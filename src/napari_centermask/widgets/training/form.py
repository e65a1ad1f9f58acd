"""The training settings as a form: the same object as the run file and the flags."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ValidationError
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_centermask.core.errors import BadSettings
from napari_centermask.engines.devices import devices_for_training
from napari_centermask.models.idle_settings import idle_in_training
from napari_centermask.settings import AugmentSettings, InstanceLossSettings, LossSettings, Settings, TrainSettings
from napari_centermask.widgets.parts.forms import SettingsForm
from napari_centermask.widgets.parts.layout import titled_form

_ELSEWHERE = {"data", "out", "start", "model", "resume", "weights", "replay"}
_ELSEWHERE |= {"unlabelled", "unlabelled_part", "unlabelled_score"}
_ELSEWHERE |= {"channel_names", "preprocess", "normalisation"}  # the start model's
"""Fields that the dock asks for by other means, or that a person cannot judge while fine-tuning."""
_GROUPS: dict[str, tuple[str, type[Settings]]] = {
    "augment": ("Augmentation", AugmentSettings),
    "losses": ("Losses of the maps", LossSettings),
    "instance_losses": ("Losses of boxes and masks", InstanceLossSettings),
}
"""Groups of settings with a heading; of the losses, those of the model's family are shown."""


def shown_fields() -> list[str]:
    """The training settings that the form shows, in the order of the class, without groups."""
    fields = TrainSettings.model_fields.items()
    return [name for name, field in fields if name not in _ELSEWHERE and not _is_group(field.annotation)]


def _is_group(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


class TrainForm(QWidget):
    """A view of one `TrainSettings`; fields that it does not show are kept."""

    def __init__(self) -> None:
        super().__init__()
        self._settings: TrainSettings | None = None
        self._shown: dict[str, Any] = {}
        self.training = SettingsForm(TrainSettings, shown_fields(), choices={"device": devices_for_training()})
        self.groups = {name: SettingsForm(kind, kind.model_fields) for name, (_, kind) in _GROUPS.items()}
        self.boxes = {name: self._box(name) for name in _GROUPS}
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for part in (self.training, *self.boxes.values()):
            layout.addWidget(part)
        for form in (self.training, *self.groups.values()):
            form.changed.connect(self._show_idle)

    def _box(self, name: str) -> QWidget:
        """A group of settings under its heading."""
        box, heading = QWidget(), QWidget()
        titled_form(heading, _GROUPS[name][0])
        layout = QVBoxLayout(box)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(heading)
        layout.addWidget(self.groups[name])
        return box

    def set_value(self, settings: TrainSettings) -> None:
        """Show settings."""
        self._settings = settings
        self.training.set_value(settings.model_dump())
        for name, form in self.groups.items():
            form.set_value(getattr(settings, name).model_dump())
        self._show_all()
        self._shown = self._values()
        self._show_idle()

    def _show_all(self) -> None:
        """Show all fields as if they had an effect."""
        for box in self.boxes.values():
            box.setVisible(True)
        for form in (self.training, *self.groups.values()):
            form.set_idle({})

    def _show_idle(self) -> None:
        """Disable fields without effect, and hide groups of them."""
        try:
            reasons = {name: idle.why for name, idle in idle_in_training(self.value()).items()}
        except BadSettings:  # a value out of range, which Start reports
            return
        self.training.set_idle(reasons)
        for name, form in self.groups.items():
            self.boxes[name].setVisible(name not in reasons)
            own = {key.removeprefix(f"{name}."): why for key, why in reasons.items() if key.startswith(f"{name}.")}
            form.set_idle(own)

    @property
    def is_filled(self) -> bool:
        """Whether settings are shown."""
        return self._settings is not None

    def show_changes(self, changes: dict[str, Any]) -> None:
        """Show changes, as returned by `changes`; they count as made by the user."""
        self.training.set_value(changes)
        for name, form in self.groups.items():
            form.set_value({k.removeprefix(f"{name}."): v for k, v in changes.items() if k.startswith(f"{name}.")})
        self._show_idle()

    def changes(self) -> dict[str, Any]:
        """The fields that the user has changed since they were shown.

        Raises
        ------
        BadSettings
            If a value is out of range.
        """
        return {name: value for name, value in self._values().items() if value != self._shown.get(name)}

    def value(self) -> TrainSettings:
        """The settings in the form; unchanged fields keep their exact values, though the form may round them.

        Raises
        ------
        BadSettings
            If a value is out of range, or nothing is shown.
        """
        if self._settings is None:
            raise BadSettings("The settings are not computed yet. Choose what to train on.")
        return changed(self._settings, self.changes())

    def _values(self) -> dict[str, Any]:
        shown = {name: form for name, form in self.groups.items() if not self.boxes[name].isHidden()}
        groups = {f"{group}.{name}": v for group, form in shown.items() for name, v in form.value().items()}
        return self.training.value() | groups


def changed(settings: TrainSettings, changes: dict[str, Any]) -> TrainSettings:
    """The settings with some fields changed; "augment.flip" is the field `flip` of `augment`.

    Raises
    ------
    BadSettings
        If they do not fit together.
    """
    values = settings.model_dump()
    for name, value in changes.items():
        outer, _, inner = name.partition(".")
        (values[outer] if inner else values)[inner or outer] = value
    try:
        return TrainSettings.model_validate(values)
    except ValidationError as error:
        raise BadSettings(f"These settings do not go together: {error.errors()[0]['msg']}.") from error
