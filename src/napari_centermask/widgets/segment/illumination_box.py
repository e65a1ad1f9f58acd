"""How intensities are corrected before the network sees them, with a preview."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from napari_centermask.core.errors import BadSettings
from napari_centermask.settings import PreprocessSettings
from napari_centermask.widgets.parts.fold import Fold
from napari_centermask.widgets.parts.forms import SettingsForm
from napari_centermask.widgets.parts.layout import label, row, show_row, titled_form
from napari_centermask.widgets.parts.pickers import hint

_FIELDS = ("background", "background_size", "denoise", "denoise_size", "dark", "ignore_specks")
FEWEST = 10
"""Planes needed to estimate their illumination; with fewer, their cells would show in it."""


class IlluminationBox(QWidget):
    """A view of one `PreprocessSettings` and of the channel names, collapsed at first."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.names = QLineEdit()
        self.names.setToolTip(
            "Names of the image's channels in order, separated by commas; the model picks those that it needs."
        )
        self.form = SettingsForm(PreprocessSettings, _FIELDS)
        self.flat_field: Path | None = None
        self.flat = QLabel("none")
        self.choose, self.estimate, self.clear = QPushButton("Choose"), QPushButton("Estimate"), QPushButton("None")
        self.show_corrected = QPushButton("Show corrected")
        self.show_corrected.setCheckable(True)
        self.before = QPushButton("Before")
        self.status = QLabel()
        self.status.setObjectName("quiet")
        self.status.setWordWrap(True)
        self.fold = Fold("Illumination and noise")
        self._rows = QWidget()
        form = titled_form(self._rows, "Correction of intensities")
        form.addRow(label("Names"), self.names)
        form.addRow(self.form)
        form.addRow(label("Flat field"), self.flat)
        form.addRow(row(self.choose, self.estimate, self.clear))
        form.addRow(row(self.show_corrected, self.before))
        form.addRow(self.status)
        self._layout = form
        self.fold.addWidget(self._rows)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.fold)
        self._connect()
        self.set_names(None, wanted=[])

    def _connect(self) -> None:
        self.form.changed.connect(self._show_idle)
        self.form.shown.connect(self._show_idle)
        self.form.changed.connect(self.changed.emit)
        self.choose.clicked.connect(self._on_choose)
        self.clear.clicked.connect(lambda: self.set_flat_field(None))
        hint(
            self.choose, "An image of an empty, evenly lit field, or one that Estimate saved; images are divided by it."
        )
        hint(self.clear, "Use no flat field.")
        hint(
            self.show_corrected,
            "Show the image as the model will see it, as a layer above; the eye in the layer list hides it.",
        )
        self.show_before(possible=False)

    def value(self) -> PreprocessSettings:
        """The settings as shown.

        Raises
        ------
        BadSettings
            If a value is out of range.
        """
        shown = self.form.value()
        if self.flat_field is None:  # `dark` is for Estimate alone
            del shown["dark"]
        return PreprocessSettings(**shown, flat_field=self.flat_field)

    def set_value(self, settings: PreprocessSettings) -> None:
        """Show settings, without `changed`."""
        self.form.set_value(settings.model_dump())
        self.flat_field = settings.flat_field
        self._show_flat()

    def channel_names(self) -> list[str] | None:
        """The names as typed; None for none.

        Raises
        ------
        BadSettings
            If a name between commas is missing.
        """
        text = self.names.text().strip()
        if not text or self.names.isHidden():
            return None
        names = [name.strip() for name in text.split(",")]
        if not all(names):
            raise BadSettings(f"A name is missing in '{text}'. Enter one name for each channel, separated by commas.")
        return names

    def set_names(self, names: list[str] | None, *, wanted: list[str]) -> None:
        """Show an image's channel names if the model has names; with `None`, the typed ones stay."""
        show_row(self._layout, self.names, len(wanted) > 1)
        self.names.setPlaceholderText(", ".join(wanted))
        if names is not None:
            self.names.setText(", ".join(names))

    def set_flat_field(self, path: Path | None) -> None:
        """Set the image to divide by; None for none."""
        self.flat_field = path
        self._show_flat()
        self.changed.emit()

    def show_planes(self, n: int) -> None:
        """Show whether the illumination can be estimated from the planes of the image."""
        enough = n >= FEWEST
        text = (
            f"Estimate the illumination that the {n} planes share, and save it."
            if enough
            else (
                f"This needs a stack of at least {FEWEST} planes; the image has {n}. For separate images, run "
                "napari-centermask flatfield IMAGES --out flat.tif"
            )
        )
        hint(self.estimate, text, enabled=enough)

    def show_before(self, *, possible: bool) -> None:
        """Enable the button that shows the original image, or give the reason as its tooltip."""
        text = "Hold to see the original image." if possible else "Press 'Show corrected' first."
        hint(self.before, text, enabled=possible)

    def _show_idle(self) -> None:
        """Disable the sizes of corrections that are not chosen."""
        off = [name for name in ("background", "denoise") if self.form.rows[name].value() == "none"]
        self.form.set_idle({f"{name}_size": f"{name} is none" for name in off})

    def _show_flat(self) -> None:
        self.flat.setText("none" if self.flat_field is None else self.flat_field.name)
        self.flat.setToolTip(str(self.flat_field or ""))

    def _on_choose(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Flat field", "", "Images (*.tif *.tiff *.png *.npy)")
        if path:
            self.set_flat_field(Path(path))
