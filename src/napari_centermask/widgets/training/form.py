"""The training settings as a form: the same object as the run file and the flags."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_centermask.core.errors import BadSettings
from napari_centermask.engines.devices import devices_for_training
from napari_centermask.models.families import FAMILIES, check_new
from napari_centermask.models.idle_settings import idle_in_training
from napari_centermask.settings import (
    AugmentSettings,
    InstanceLossSettings,
    LossSettings,
    RegionSettings,
    Settings,
    TrainSettings,
)
from napari_centermask.widgets.parts.forms import SettingsForm

_USUAL = ("minutes", "steps", "batch", "tile", "learning_rate")
_FOLDED = {
    "Start model": ("keep", "freeze", "layer_decay", "replay_part", "pretrained"),
    "Cells": ("diameter", "diameters", "oversample"),
    "Learning rate and weights": ("find_rate", "schedule", "warmup", "optimiser", "weight_decay", "clip", "ema"),
    "Evaluation and end": ("evaluate_every", "evaluate_first", "patience", "compare"),
    "Computation": ("device", "amp", "workers", "images_in_memory_mb", "seed", "tensorboard"),
}
"""The training settings that no other control has; the rest is asked for elsewhere, or nobody can judge it in fine-tuning."""
_GROUPS: dict[str, tuple[type[Settings], dict[str, tuple[str, ...]]]] = {
    "augment": (
        AugmentSettings,
        {
            "Augmentation: shape": ("flip", "rotate", "scale", "elastic"),
            "Augmentation: light and colour": (
                *("intensity", "gradient", "dim", "dim_light", "invert", "clahe", "clahe_limit"),
                *("grey", "stain", "stain_strength", "drop_channel"),
            ),
            "Augmentation: noise and blur": (
                *("blur", "noise", "photon_noise", "photons", "specks", "defocus", "defocus_blur"),
            ),
            "Augmentation: more and fewer cells": (
                *("copy_paste", "paste_colour", "paste_light", "mixup", "mixup_light", "empty"),
            ),
        },
    ),
    "losses": (LossSettings, {"Losses of the maps": tuple(LossSettings.model_fields)}),
    "instance_losses": (
        InstanceLossSettings,
        {"Losses of boxes and masks": tuple(InstanceLossSettings.model_fields)},
    ),
    "regions": (
        RegionSettings,
        {
            "Losses of anchors and regions": (
                "objectness",
                "rpn_box",
                "classification",
                "class_weights",
                "box",
                "mask",
            ),
            "Sampling of anchors and regions": (
                *("anchors", "anchors_positive", "anchor_iou", "proposals"),
                *("regions", "regions_positive", "region_iou"),
            ),
        },
    ),
}
"""Groups of settings by headings; of the last three, the one of the model's family is shown."""


class TrainForm(QWidget):
    """A view of one `TrainSettings`; fields that it does not show are kept.

    Attributes
    ----------
    training
        Settings of every training.
    groups
        Groups of further ones, by name.
    networks
        The form of a new network, by family: with a start model, the network is that model's.
    """

    def __init__(self) -> None:
        super().__init__()
        self._settings: TrainSettings | None = None
        self._shown: dict[str, Any] = {}
        self.training = SettingsForm(TrainSettings, _USUAL, folded=_FOLDED, choices={"device": devices_for_training()})
        self.groups = {name: SettingsForm(kind, (), folded=folded) for name, (kind, folded) in _GROUPS.items()}
        forms = {name: (family.settings, family.new_fields) for name, family in FAMILIES.items() if family.new_fields}
        self.networks = {name: SettingsForm(kind, (), folded=folded) for name, (kind, folded) in forms.items()}
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        for form in (self.training, *self.networks.values(), *self.groups.values()):
            layout.addWidget(form)
            form.changed.connect(self._show_idle)

    def set_value(self, settings: TrainSettings) -> None:
        """Show settings."""
        self._settings = settings
        self.training.set_value(settings.model_dump())
        for name, form in self.groups.items():
            form.set_value(getattr(settings, name).model_dump())
        for form in self.networks.values():
            form.setVisible(self._network is form)
        if self._network is not None:
            self._network.set_value(settings.model.model_dump())
        self._show_all()
        self._shown = self._values()
        self._show_idle()

    @property
    def _network(self) -> SettingsForm | None:
        """The form of the new network that is shown."""
        settings = self._settings
        return None if settings is None or settings.start is not None else self.networks.get(settings.model.family)

    def _show_all(self) -> None:
        """Show all fields as if they had an effect."""
        for form in (self.training, *self.groups.values()):
            form.setVisible(True)
            form.set_idle({})

    def _show_idle(self) -> None:
        """Disable fields without effect, and hide groups of them."""
        try:
            reasons = {name: idle.why for name, idle in idle_in_training(self.value()).items()}
        except BadSettings:  # a value out of range, which Start reports
            return
        self.training.set_idle(reasons)
        for name, form in self.groups.items():
            form.setVisible(name not in reasons)
            form.set_idle(_within(name, reasons))
        if self._network is not None:
            self._network.set_idle(_within("model", reasons))

    @property
    def is_filled(self) -> bool:
        """Whether settings are shown."""
        return self._settings is not None

    def follow(self, settings: TrainSettings) -> None:
        """Show newly computed settings; what was changed stays changed, but for the form of another network.

        Raises
        ------
        BadSettings
            If such a change is out of range.
        """
        changes, network = self.changes() if self.is_filled else {}, self._network
        self.set_value(settings)
        is_same = network is self._network
        self.show_changes({k: v for k, v in changes.items() if is_same or not k.startswith("model.")})

    def show_changes(self, changes: dict[str, Any]) -> None:
        """Show changes, as returned by `changes`; they count as made by the user."""
        self.training.set_value(changes)
        for name, form in self.groups.items():
            form.set_value(_within(name, changes))
        if self._network is not None:
            self._network.set_value(_within("model", changes))
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
        shown = {name: form for name, form in self.groups.items() if not form.isHidden()}
        shown |= {} if self._network is None else {"model": self._network}
        groups = {f"{group}.{name}": v for group, form in shown.items() for name, v in form.value().items()}
        return self.training.value() | groups


def _within(group: str, values: dict[str, Any]) -> dict[str, Any]:
    """What belongs to a group, under the names of its fields."""
    return {key.removeprefix(f"{group}."): value for key, value in values.items() if key.startswith(f"{group}.")}


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
        value = TrainSettings.model_validate(values)
    except ValidationError as error:
        raise BadSettings(f"These settings do not go together: {error.errors()[0]['msg']}.") from error
    check_new(value)
    return value
