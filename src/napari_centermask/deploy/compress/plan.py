"""The plan of a compression: what is done to a model, in which order, and how much AP it may cost. A JSON file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from napari_centermask.core.errors import BadSettings
from napari_centermask.settings import Settings, fault_text


class QuantiseStep(Settings):
    """Weights, and with `static` all of the arithmetic between the first layer and the last, in fewer bits."""

    do: Literal["quantise"] = "quantise"
    method: Literal["static", "nncf", "dynamic", "float16"] = Field(
        "static",
        description="static: INT8 with ranges measured on images, the fast one; nncf: the same by NNCF, which corrects biases; "
        "dynamic: INT8 with ranges found in each call, smaller but slower; float16: weights stored in 16 bits.",
    )
    keep_float: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Fraction of the layers that stay float, those that disturb the result most; as many as `accepted` needs "
        "when not given.",
    )
    seven_bits: bool = Field(
        False, description="Weights of 7 bits, for processors without VNNI, whose sums of 8 bits may overflow."
    )


Step = Annotated[QuantiseStep, Field()]


class Plan(Settings):
    """What `compress` does; paths are relative to the current folder."""

    model: str = Field(..., description="Name of an installed model, or a model file.")
    out: Path = Field(..., description="Folder for the models of all steps, the table and the plot.")
    steps: list[Step] = Field(..., min_length=1, description="What is done, in this order.")
    data: Path | None = Field(
        None, description="Folder with images/ and annotations, on which each step is judged; `images` when not given."
    )
    split: str | None = Field("val", description="Annotations to judge on: annotations_SPLIT.json.")
    images: Path | None = Field(
        None, description="Folder of images to calibrate on; the training images of `data` when not given."
    )
    most_images: int = Field(40, ge=1, description="Images at most to calibrate on, and to judge on.")
    accepted: float = Field(
        0.01, ge=0, le=1, description="Loss of AP50 that is accepted; a step that loses more ends the plan."
    )
    diameter: float | None = Field(None, gt=0, description="Cell diameter in pixels; estimated when not given.")
    engine: Literal["openvino", "onnx"] = Field("openvino", description="Engine to judge and time with.")
    name: str | None = Field(None, description="Install the result under this name.")


def read_plan(path: Path) -> Plan:
    """Read and check a plan.

    Raises
    ------
    BadSettings
        If the file is no plan, or its steps do not go together.
    """
    try:
        plan = Plan.model_validate_json(Path(path).read_bytes())
    except FileNotFoundError:
        raise BadSettings(f"The plan {path} does not exist. Choose a JSON file with a plan.") from None
    except ValidationError as error:
        faults = "; ".join(f"{_place(e['loc'])}: {fault_text(e)}" for e in error.errors()[:5])
        raise BadSettings(f"{Path(path).name} is not a plan of a compression: {faults}.") from None
    check_order(plan.steps)
    return plan


def check_order(steps: list[Step]) -> None:
    """Refuse steps that do not go together.

    Raises
    ------
    BadSettings
        Naming the step and what to change.
    """
    for number, step in enumerate(steps, start=1):
        before = steps[number - 2] if number > 1 else None
        if isinstance(before, QuantiseStep):
            raise BadSettings(
                f"Step {number} of the plan ({step.do}) follows a quantisation. Quantised graphs cannot be changed any further: "
                "put the quantisation last, and only one."
            )


def _place(parts: tuple[int | str, ...]) -> str:
    """Where in the file: "step 2, method"."""
    words = [f"step {part + 1}" if isinstance(part, int) else str(part) for part in parts if part != "steps"]
    return ", ".join(words) or "plan"
