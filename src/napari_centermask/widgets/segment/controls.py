"""What the Segment dock offers: a pure function of its state, without Qt."""

from __future__ import annotations

from dataclasses import dataclass

from napari_centermask.widgets.parts.control import Control, control

PLANE, ALL, VIEW, REGION = "plane", "all", "view", "region"
_NO_MODEL = "No model is installed. Add one: napari-centermask models add FILE"


@dataclass(frozen=True)
class DockState:
    """All that the dock's buttons depend on.

    Attributes
    ----------
    image
        Name of the chosen image layer; empty if none is chosen.
    unseen
        Why you do not see that image; empty if you do.
    other_layer
        The kind of the active layer, in words; empty if no layer is active.
    image_problem
        Why that layer cannot be segmented; empty if it can.
    large
        Why a run writes the cells of the image to a folder; empty if it does not.
    has_model
        Whether a model is chosen.
    is_running
        Whether a run on an image of this viewer is in progress.
    closed
        Why the cells of the image cannot be changed; empty if they can.
    scope
        Which part of the image to segment.
    has_diameter
        Whether a diameter is given.
    has_result
        Whether the image has cells.
    has_predictions
        Whether a model's cells are among them that nobody decided on.
    model, misfit
        The chosen model, and why the one of the last run does not seem to suit the image; empty if it does.
    unsuited
        That the chosen model was trained on other kinds of images than this one; empty if it was not, or nobody knows.
    other_model
        Another model to try; empty if there is none.
    """

    image: str = ""
    unseen: str = ""
    other_layer: str = ""
    image_problem: str = ""
    large: str = ""
    has_model: bool = False
    is_running: bool = False
    closed: str = ""
    scope: str = PLANE
    has_diameter: bool = False
    has_result: bool = False
    has_predictions: bool = False
    model: str = ""
    misfit: str = ""
    unsuited: str = ""
    other_model: str = ""


@dataclass(frozen=True)
class Controls:
    """The buttons.

    Attributes
    ----------
    run
        Its text names the image.
    doubt
        That the model does not seem to suit the image, and what to do; empty if it does.
    note
        What to know about the chosen image before a run; empty for nothing.
    draw
        Adds a layer to draw a region in; shown only if a region is to be segmented.
    classes
        Shows the class map of a U-Net.
    speed
        Measures engines and precisions, and uses the fastest from then on.
    colours, outlines, own_outlines, hatch
        How cells are shown.
    clear
        Removes the predicted cells of the image.
    """

    run: Control
    cancel: Control
    estimate: Control
    circle: Control
    draw: Control
    classes: Control
    speed: Control
    colours: Control
    outlines: Control
    own_outlines: Control
    hatch: Control
    clear: Control
    shows_draw: bool
    note: str = ""
    doubt: str = ""


def controls(state: DockState) -> Controls:
    """What the dock offers in a state."""
    problem = _problem(state)
    no_image = "" if state.image else _no_image(state)
    no_cells = "" if state.has_result else "Run to see the cells."
    return Controls(
        run=control(
            f"Find the cells of '{state.image}'.",
            problem,
            state.closed,
            text=f"Run on {state.image}" if state.image else "Run",
        ),
        cancel=control("Stop after the current tile.", "" if state.is_running else "Nothing is running."),
        estimate=control("Estimate the diameter from the image; the model runs once or twice.", problem),
        circle=control(
            "Show the diameter as a circle.",
            "" if state.has_diameter else "Enter a diameter or press Estimate first.",
        ),
        draw=control("Drag a rectangle over the image; the layer's other shapes work too.", no_image),
        classes=control("Show the category of each pixel of this plane, before cells are separated.", problem),
        speed=control(
            "Measure engines, precisions and threads on the middle of this plane, for a minute or two, and use the fastest "
            "whose cells agree with those of float32, for this model on this computer.",
            problem,
        ),
        colours=control("What the colours of the cells mean.", no_cells),
        outlines=control("Outlines of all cells, even where they lie under others.", no_cells),
        own_outlines=control("Outline cells in the colours of the cells, not of their categories.", no_cells),
        hatch=control("Hatch the pixels that several cells share.", no_cells),
        clear=control(
            "Remove the predicted cells of this image; those that you accepted or corrected stay. Undo brings them back.",
            "A run is in progress. Cancel it or wait." if state.is_running else "",
            "" if state.has_predictions else "The image has no predicted cells.",
            state.closed,
        ),
        shows_draw=state.scope == REGION,
        note=_note(state),
        doubt=_doubt(state),
    )


def _note(state: DockState) -> str:
    unseen = [f"{state.unseen} Run brings it into view."] if state.unseen else []
    large = [f"It has {state.large}: Run asks for a folder, to which the cells go while they are found."]
    return " ".join([*unseen, *(large if state.large else [])])


def _doubt(state: DockState) -> str:
    if state.is_running or not (state.misfit or state.unsuited):
        return ""
    other = f"try '{state.other_model}', or " if state.other_model else ""
    way = f"{other}draw about 20 cells and fine-tune."
    if state.unsuited:
        return f"{state.unsuited} {way[0].upper()}{way[1:]}"
    return (
        f"'{state.model}' does not seem to suit this image. {state.misfit} Compare the diameter with the circle, {way}"
    )


def _problem(state: DockState) -> str:
    """Why the model cannot run; empty if it can."""
    if state.is_running:
        return "A run is in progress. Cancel it or wait."
    if not state.image:
        return _no_image(state)
    return state.image_problem or ("" if state.has_model else _NO_MODEL)


def _no_image(state: DockState) -> str:
    other = f"; {state.other_layer}" if state.other_layer else ""
    return f"There is no image layer{other}. Open an image, or choose File > Open Sample > CenterMask."
