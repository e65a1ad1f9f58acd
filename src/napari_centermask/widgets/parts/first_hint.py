"""How to begin in a dock: a hint that is shown until a person puts it away, for good."""

from __future__ import annotations

import json
import os
from pathlib import Path

from psygnal import Signal
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout

from napari_centermask.io.whole_file import whole_file
from napari_centermask.widgets.work.gate import guarded

_STYLE = "QFrame#hint { border: 1px solid #2f6fde; border-radius: 4px; }"
_ALL = "*"


class PutAway:
    """The hints that a person has put away, kept in a file.

    Attributes
    ----------
    changed
        Emitted when some are put away or come back.
    """

    changed = Signal()

    @property
    def path(self) -> Path:
        """The file, in the folder that `NAPARI_CENTERMASK_HOME` names, or else among the user's settings."""
        home = os.environ.get("NAPARI_CENTERMASK_HOME")
        if home:
            return Path(home) / "hints.json"
        from platformdirs import user_config_path

        return user_config_path("napari-centermask", appauthor=False) / "hints.json"

    def __contains__(self, name: str) -> bool:
        """Whether a hint is put away, alone or with all others."""
        return bool({name, _ALL} & self._names())

    def put_away(self, name: str = _ALL) -> None:
        """Do not show a hint again, by default none at all.

        Raises
        ------
        CannotSave
            If the file cannot be written.
        """
        self._write(self._names() | {name})

    def bring_back(self) -> None:
        """Show all hints again.

        Raises
        ------
        CannotSave
            If the file cannot be written.
        """
        self._write(set())

    def _names(self) -> set[str]:
        try:
            names = json.loads(self.path.read_text(encoding="utf-8"))["put_away"]
            return {name for name in names if isinstance(name, str)}
        except (OSError, ValueError, KeyError, TypeError):
            return set()

    def _write(self, names: set[str]) -> None:
        with whole_file(self.path) as part:
            part.write_text(json.dumps({"put_away": sorted(names)}), encoding="utf-8")
        self.changed.emit()


PUT_AWAY = PutAway()


class FirstHint(QFrame):
    """A few sentences on how to begin, with a button that puts them away, and one for those of all docks.

    Parameters
    ----------
    name
        What the hint belongs to, such as the title of a dock; it is put away under this name.
    """

    def __init__(self, name: str, text: str) -> None:
        super().__init__()
        self.name = name
        self.setObjectName("hint")
        self.setStyleSheet(_STYLE)
        self.text = QLabel(text)
        self.text.setWordWrap(True)
        self.done, self.none = QPushButton("Got it"), QPushButton("Hide all hints")
        self.done.setToolTip("Do not show this hint again.")
        self.none.setToolTip("Do not show hints in any dock. The window behind ? brings them back.")
        self.done.clicked.connect(guarded(self._on_done))
        self.none.clicked.connect(guarded(self._on_none))
        line = QHBoxLayout()
        line.addWidget(self.done)
        line.addWidget(self.none)
        line.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 6, 8, 6)
        layout.addWidget(self.text)
        layout.addLayout(line)
        if name in PUT_AWAY:
            self.hide()

    def refresh(self) -> None:
        """Show the hint unless it is put away."""
        self.setVisible(self.name not in PUT_AWAY)

    def _on_done(self) -> None:
        self.hide()  # also if the file cannot be written
        PUT_AWAY.put_away(self.name)

    def _on_none(self) -> None:
        self.hide()
        PUT_AWAY.put_away()
