"""What the Compress dock offers, and the plan that it makes: pure functions of its state, without Qt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_centermask.widgets.parts.control import Control, control

STEPS = {
    "prune": "Prune channels",
    "distil": "Distil from the model",
    "qat": "Train with simulated INT8",
    "quantise": "Quantise",
}
"""Steps in the default order, which docs/compress.md explains, with their titles."""
TRAINED = ("prune", "distil", "qat")
ABOUT = {
    "prune": "Remove the channels that matter least, and train what is left.",
    "distil": "Train the smaller network on what the model says of each tile, beside the annotations.",
    "qat": "Prepare the weights for INT8: rounding is simulated while they are trained.",
    "quantise": "Compute in 8 bits, with the ranges of all values measured on your images.",
}
_AFTER_QAT = ("static", "nncf")


@dataclass(frozen=True)
class DockState:
    """All that the buttons depend on.

    Attributes
    ----------
    model
        Name of the chosen model; empty without any.
    has_weights, is_compressed
        Of the model.
    steps
        The ticked steps in order, keys of `STEPS`.
    method
        Of the quantisation.
    data
        Folder of the images; None until one is chosen.
    is_annotated
        Whether it has annotations, as a project has.
    name
        Of the new model.
    taken
        Names of the models that are there.
    can_quantise, can_train
        Whether the packages for ONNX, and for steps that train, are installed.
    is_running
        Whether a compression is in progress.
    made
        Name of the model that the last one installed; empty without.
    in_use
        Name of the model in use.
    folder
        Where the last one wrote; empty without.
    """

    model: str = ""
    has_weights: bool = True
    is_compressed: bool = False
    steps: tuple[str, ...] = ("quantise",)
    method: str = "static"
    data: Path | None = None
    is_annotated: bool = False
    name: str = ""
    taken: frozenset[str] = field(default_factory=frozenset)
    can_quantise: bool = True
    can_train: bool = True
    is_running: bool = False
    made: str = ""
    in_use: str = ""
    folder: str = ""


@dataclass(frozen=True)
class Controls:
    """The buttons, and the boxes of the steps."""

    start: Control
    cancel: Control
    use: Control
    open_folder: Control
    steps: dict[str, Control]


def controls(state: DockState, *, install: str = "", install_training: str = "") -> Controls:
    """What the dock offers in a state.

    Parameters
    ----------
    install, install_training
        The commands that install what is missing.
    """
    no_packages = "" if state.can_quantise else f"Compression needs ONNX and ONNX Runtime: {install}"
    no_model = "" if state.model else "There is no model. Train one, or add one in the dock Models."
    again = f"'{state.model}' is compressed already. Choose the model that it was made from."
    why_not = {step: _why_not(step, state, install_training) for step in STEPS}
    reasons = (
        no_packages,
        no_model,
        again if state.is_compressed else "",
        "" if state.steps else "Tick a step.",
        next((why_not[step] for step in state.steps if why_not[step]), ""),
        _unprepared(state),
        "" if state.data is not None else "Choose images like those that you segment.",
        "" if state.name else "Give the new model a name.",
        f"There is already a model '{state.name}'. Choose another name." if state.name in state.taken else "",
        "A compression is running." if state.is_running else "",
    )
    unused = f"'{state.made}' is in use." if state.made == state.in_use else ""
    return Controls(
        start=control("Carry out the steps, judge and time each, and install the best result.", *reasons),
        cancel=control(
            "Stop. Models of finished steps stay in their folder; none is installed.",
            "" if state.is_running else "No compression is running.",
        ),
        use=control(
            f"Use '{state.made}' in all docks.", "" if state.made else "No new model was installed yet.", unused
        ),
        open_folder=control(
            "Show the models of all steps, the table and the plot.", "" if state.folder else "There are no results yet."
        ),
        steps={step: control(ABOUT[step], why_not[step]) for step in STEPS},
    )


def _why_not(step: str, state: DockState, install: str) -> str:
    """Why a step cannot be done."""
    if step not in TRAINED:
        return ""
    if not state.can_train:
        return f"Steps that train need PyTorch and torch-pruning: {install}"
    if state.model and not state.has_weights:
        return f"'{state.model}' has only graphs, and this step trains. Choose a model with weights."
    if state.data is not None and not state.is_annotated:
        return "This step trains. Choose a project, or a folder with images/ and annotations.json."
    return ""


def _unprepared(state: DockState) -> str:
    if "qat" not in state.steps or ("quantise" in state.steps and state.method in _AFTER_QAT):
        return ""
    return "Simulated INT8 only prepares 'Quantise' with the method static or nncf. Tick that too."


def proposed_name(model: str, steps: tuple[str, ...], method: str, taken: frozenset[str]) -> str:
    """A name for the result that no model has."""
    alone = {"static": "int8", "nncf": "int8", "dynamic": "int8", "float16": "half"}[method]
    stem = f"{model}-{alone if steps == ('quantise',) else 'small'}"
    number, name = 1, stem
    while name in taken:
        number += 1
        name = f"{stem}-{number}"
    return name


def plan_of(state: DockState, values: Mapping[str, Mapping[str, Any]], *, accepted: float, out: Path) -> dict[str, Any]:
    """The plan as the command `compress` reads it.

    Pruning may lose as much as it does, as the steps after it make it good; the last step must be within `accepted`.

    Parameters
    ----------
    values
        The form of each step.
    """
    steps: list[dict[str, Any]] = [{"do": step, **values[step]} for step in state.steps]
    for step in steps[:-1]:
        step["accepted"] = 1.0
    source = {"data" if state.is_annotated else "images": str(state.data)}
    return {
        "model": state.model,
        "name": state.name,
        "out": str(out),
        "accepted": accepted,
        **source,
        "steps": steps,
    }


def is_annotated(folder: Path) -> bool:
    """Whether a folder is a project or has annotations that can be divided into splits, or are."""
    names = ("project.json", "annotations.json", "annotations_val.json")
    return any((folder / name).is_file() for name in names)
