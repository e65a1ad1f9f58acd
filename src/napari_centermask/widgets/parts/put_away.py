"""Which hints a person has put away, kept in a file; no Qt."""

from __future__ import annotations

import json
import os
from pathlib import Path

from psygnal import Signal

from napari_centermask.io.whole_file import whole_file

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
