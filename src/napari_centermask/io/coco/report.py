"""What an import repaired and what it refused, for a person to read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from napari_centermask.core.counted import counted

MOST_EXAMPLES = 5  # a choice, as many as one reads


@dataclass
class Tally:
    """How often something happened, and the first places where it did."""

    count: int = 0
    places: list[str] = field(default_factory=list)

    def add(self, place: str) -> None:
        """Count one more."""
        self.count += 1
        place = "".join(c for c in place if c.isprintable())
        if place and len(self.places) < MOST_EXAMPLES:
            self.places.append(place)

    def __str__(self) -> str:
        if not self.places:
            return str(self.count)
        more = ", ..." if self.count > len(self.places) else ""
        return f"{self.count} ({', '.join(self.places)}{more})"


@dataclass
class ImportReport:
    """The outcome of an import.

    Attributes
    ----------
    file
        Name of the file.
    images, cells
        How many were imported.
    repaired, refused
        What -> how often and where; repaired entries were imported, refused ones were not.
    missing
        Names of the images whose files were not found.
    notes
        Sentences of a reader of another format about what it assumed or left out.
    """

    file: str
    images: int = 0
    cells: int = 0
    repaired: dict[str, Tally] = field(default_factory=dict)
    refused: dict[str, Tally] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def repair(self, what: str, where: str = "") -> None:
        """Note something that was repaired."""
        self.repaired.setdefault(what, Tally()).add(where)

    def refuse(self, what: str, where: str = "") -> None:
        """Note something that was left out."""
        self.refused.setdefault(what, Tally()).add(where)

    @property
    def n_refused(self) -> int:
        """Number of entries that were not imported."""
        return sum(t.count for t in self.refused.values())

    @property
    def is_clean(self) -> bool:
        """Whether everything was imported unchanged, with its images."""
        return not (self.repaired or self.refused or self.missing)

    def sentences(self) -> list[str]:
        """What was left out and what was repaired, each with its number and the first places."""
        titled = (("Left out", self.refused), ("Repaired", self.repaired))
        return self.notes + [
            f"{title}: {what}: {tally}." for title, tallies in titled for what, tally in tallies.items()
        ]

    def __str__(self) -> str:
        lines = [f"{self.file}: {counted(self.images, 'image')} and {counted(self.cells, 'cell')} imported."]
        lines += [sentence.removesuffix(".") for sentence in self.sentences()]
        if self.missing:
            shown = ", ".join(self.missing[:MOST_EXAMPLES]) + (", ..." if len(self.missing) > MOST_EXAMPLES else "")
            lines.append(f"Images not found: {len(self.missing)} ({shown}). Choose the folder they are in.")
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""

        def plain(tallies: dict[str, Tally]) -> dict[str, Any]:
            return {what: {"count": t.count, "places": t.places} for what, t in tallies.items()}

        return {
            "file": self.file,
            "images": self.images,
            "cells": self.cells,
            "repaired": plain(self.repaired),
            "refused": plain(self.refused),
            "missing": self.missing,
            "notes": self.notes,
        }
