"""Background work of a project: predictions of the next images, and a ranking."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QCheckBox, QComboBox, QLabel, QVBoxLayout, QWidget

from napari_centermask.widgets.parts.layout import label, row
from napari_centermask.widgets.parts.pickers import ModelCombo

if TYPE_CHECKING:
    from napari_centermask.settings import SegmentSettings
    from napari_centermask.widgets.project.session import ProjectSession
    from napari_centermask.widgets.work.connections import Connections


class BackgroundBox(QWidget):
    """Work of a model in the background: ranking the images, and predicting the next ones."""

    def __init__(self) -> None:
        super().__init__()
        self.wanted = QCheckBox("Predict the next images")
        self.models = ModelCombo()
        self.models.setToolTip("The model to predict with; it uses the settings of its last run in this window.")
        self.order = QComboBox()
        self.order.addItem("As in the folder", False)
        self.order.addItem("Most informative first", True)
        self.order.setToolTip(
            "Segments each image that is not reviewed, as it is and mirrored. First come those on which the model is unsure "
            "or contradicts itself, and that look unlike the reviewed ones: correcting them improves a model most."
        )
        self.ranking = QLabel()
        self.ranking.setObjectName("quiet")
        self.ranking.setWordWrap(True)
        self.ranking.hide()
        self.status = QLabel()
        self.status.setObjectName("quiet")
        self.status.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(row(label("Order"), self.order, stretch=1))
        layout.addWidget(self.ranking)
        layout.addWidget(row(label("Model"), self.models, stretch=1))
        layout.addWidget(self.wanted)
        layout.addWidget(self.status)


class Background:
    """Starts and stops predictions and ranking, and shows their progress."""

    def __init__(self, box: BackgroundBox, session: ProjectSession, links: Connections) -> None:
        self._box, self._session = box, session
        links.add(box.wanted.toggled, self.predict)
        links.add(box.models.currentIndexChanged, self.predict)
        links.add(box.order.activated, self._on_order)
        links.add(session.predictions.changed, lambda text: box.status.setText(text))
        links.add(session.ranking.reported, self._on_ranking)

    def predict(self, *_: object) -> None:
        """Predict the next images if that is switched on, else stop."""
        project = self._session.project
        if self._box.wanted.isChecked() and project is not None:
            self._session.predictions.start(project, self._settings)
        else:
            self._session.predictions.stop()

    def show_order(self) -> None:
        """Show the order of the images."""
        self._box.order.setCurrentIndex(1 if self._session.ranking.values else 0)

    def _settings(self) -> SegmentSettings | None:
        card = self._box.models.card
        return None if card is None else self._session.settings(card)

    def _on_order(self, *_: object) -> None:
        project, ranking = self._session.project, self._session.ranking
        settings = self._settings() if self._box.order.currentData() and project is not None else None
        if project is None or settings is None:
            self._box.order.setCurrentIndex(0)
            ranking.stop()
        else:
            ranking.start(project.images, settings)

    def _on_ranking(self, text: str) -> None:
        self._box.ranking.setText(text)
        self._box.ranking.setVisible(bool(text))
        if not self._session.ranking.is_running and not self._session.ranking.values:
            self._box.order.setCurrentIndex(0)
