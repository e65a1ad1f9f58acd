"""What the Export dock offers: pure functions of its state, without Qt."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

from napari_centermask.widgets.parts.control import Control, control

FORMS = {
    "two graphs": ("This program's own graphs: napari and the command line run them without torch.", ()),
    "one graph": ("The whole detector in one file, for any program with ONNX Runtime.", ("--one-graph",)),
    "BioImage package": ("A zip file for the BioImage Model Zoo, with test data and a description.", ("--bioimageio",)),
}
"""What can be written: its title, what it is for, and the flags of the command `export`."""
OPSETS = ("20", "18", "19", "21", "22", "23")
"""Versions of ONNX's operators, the usual one first."""


@dataclass(frozen=True)
class DockState:
    """All that the buttons depend on.

    Attributes
    ----------
    model
        Name of the chosen model; empty without any.
    n_graphs
        How many graphs its family has.
    form
        A key of `FORMS`.
    folder
        Where the files go; empty until it is chosen.
    is_running
        Whether an export is in progress.
    is_written
        Whether the last one wrote files.
    can_export
        Whether torch and the packages of ONNX are installed.
    """

    model: str = ""
    n_graphs: int = 2
    form: str = "two graphs"
    folder: str = ""
    is_running: bool = False
    is_written: bool = False
    can_export: bool = True


@dataclass(frozen=True)
class Controls:
    """The buttons."""

    start: Control
    cancel: Control
    open_folder: Control


def controls(state: DockState, *, remedy: str = "") -> Controls:
    """What the dock offers in a state; `remedy` is the command that installs what is missing."""
    missing = "" if state.can_export else f"Export needs PyTorch and ONNX: {remedy}"
    nothing = "" if state.model else "There is no model with weights. Train one, or add one in the dock Models."
    one = state.form == "one graph" and state.n_graphs == 1
    whole = "A U-Net is one graph in any case. Choose two graphs, which writes that one." if one else ""
    if state.model and not state.n_graphs:
        whole = "This model has no ONNX graphs: it runs with PyTorch alone, in napari too."
    where = "" if state.folder else "Choose a folder."
    busy = "An export is running." if state.is_running else ""
    return Controls(
        start=control("Write the files and compare them with torch.", missing, nothing, whole, where, busy),
        cancel=control("Stop the export. Nothing is written.", "" if state.is_running else "No export is running."),
        open_folder=control("Show the files.", "" if state.is_written else "Nothing has been exported yet."),
    )


def arguments(state: DockState, *, opset: str, images: list[str], overwrite: bool) -> list[str]:
    """The command line of an export."""
    flags = [*FORMS[state.form][1], *(["--overwrite"] if overwrite else [])]
    shown = ["--images", *images] if images else []
    return ["export", state.model, "--out", state.folder, "--opset", opset, *flags, *shown, "--json"]


def report_text(report: dict[str, Any]) -> str:
    """The parity report of a command in rich text: the output that comes closest to its limit, and the cells of each image."""
    rows = [("files", ", ".join(report["sha256"])), ("opset", str(report["opset"]))]
    limits, differences = report["tolerances"], report["differences"]
    if differences:
        worst = max(differences, key=lambda name: differences[name] / limits[name])
        rows.append(("numbers", f"{worst} differs most, by {differences[worst]:.1e} of {limits[worst]:.1e} allowed"))
    for image in report["images"]:
        same = f"the same {image['cells']} cells, IoU {image['iou']:.4f}" if image["cells"] else "no cells"
        rows.append(("cells", f"{image['image']}: {same}"))
    cells = "".join(
        f"<tr><td style='padding-right: 8px; color: gray'>{name}</td><td>{_breakable(text)}</td></tr>"
        for name, text in rows
    )
    return f"<table>{cells}</table>"


def _breakable(text: str) -> str:
    """Long names may break after '_' and '.', so that they do not widen the dock."""
    return escape(text).replace("_", "_&#8203;").replace(".", ".&#8203;")
