"""The table of measurements, in which cells are selected."""

from __future__ import annotations

from qtpy.QtCore import Qt

from napari_centermask.widgets.measure.measurements import Measurements
from napari_centermask.widgets.measure.rows import MeasureModel
from napari_centermask.widgets.parts.empty import EmptyNote
from napari_centermask.widgets.parts.tables import LinkedTable

_MARGIN = 26  # pixels beside a heading, for the arrow of the order
_LEAST, _TEXT = 58, 84  # pixels of a column


class MeasureTable(LinkedTable):
    """A view of a `MeasureModel`."""

    def __init__(self) -> None:
        self.cells = MeasureModel()
        super().__init__(self.cells)
        EmptyNote(self, "A row for each cell: its size, shape, neighbours and intensities.")
        self.cells.layoutChanged.connect(self._show_selection_again)

    def show_measured(self, measured: Measurements) -> None:
        """Show other measurements; the selection is kept by id."""
        names = list(self.cells.names)
        self._own = True
        try:
            self.cells.set_measured(measured)
        finally:
            self._own = False
        if self.cells.names != names:
            self._fit_columns()
        self._show_selection_again()

    def _fit_columns(self) -> None:
        metrics = self.horizontalHeader().fontMetrics()
        for column, name in enumerate(self.cells.names):
            heading = self.cells.headerData(column, Qt.Orientation.Horizontal)
            least = _TEXT if name in ("category", "status", "source") else _LEAST
            self.setColumnWidth(column, max(least, metrics.horizontalAdvance(heading) + _MARGIN))
