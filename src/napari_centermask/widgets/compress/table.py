"""The table of a compression as text: a column for each step, so that it fits a narrow dock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Row = dict[str, Any]
"""A step, as `table.json` has it."""


def _number(form: str, value: Callable[[Row], float | None]) -> Callable[[Row, Row], str]:
    def text(row: Row, _first: Row) -> str:
        found = value(row)
        return "-" if found is None else form.format(found)

    return text


MEASURES: dict[str, Callable[[Row, Row], str]] = {
    "size, MB": _number("{:.2f}", lambda row: row["megabytes"]),
    "million parameters": _number("{:.2f}", lambda row: row["parameters"] / 1e6),
    "GFLOP": _number("{:.1f}", lambda row: row["gflops"]),
    "latency, ms": _number("{:.0f}", lambda row: row["latency_ms"]),
    "times as fast": lambda row, first: f"{first['latency_ms'] / row['latency_ms']:.2f}",
    "images/s": _number("{:.2f}", lambda row: row["images_per_second"]),
    "memory, MiB": _number("{:.0f}", lambda row: row["memory_mb"]),
    "GPU memory, MiB": _number("{:.0f}", lambda row: row.get("gpu_mb")),
    "AP50": _number("{:.3f}", lambda row: row["scores"]["ap50"]),
    "mean AP": _number("{:.3f}", lambda row: row["scores"]["ap_mean"]),
    "COCO AP": _number("{:.3f}", lambda row: row["scores"]["coco_ap"]),
    "same cells, IoU 0.5": _number("{:.3f}", lambda row: row["scores"]["same50"]),
    "same cells, IoU 0.9": _number("{:.3f}", lambda row: row["scores"]["same90"]),
    "loss accepted": lambda row, _first: "yes" if row["accepted"] else "no",
}
"""What is shown of a step beside the first one, by title."""


def headings(rows: Sequence[Row]) -> list[str]:
    """What the columns are called: the start model, and of each step what it adds, in a word."""
    added = [row["step"].split(" + ")[-1].partition(",")[0] for row in rows]
    return [f"+ {name}" if n else name for n, name in enumerate(added)]


def cells(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """The lines of the table, each with its title first."""
    return [(title, *(text(row, rows[0]) for row in rows)) for title, text in MEASURES.items()] if rows else []
