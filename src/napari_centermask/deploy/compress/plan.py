"""The plan of a compression: what is done to a model, in which order, and how much AP it may cost. A JSON file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from napari_centermask.core.errors import BadSettings
from napari_centermask.settings import AnyModel, Settings, fault_text


class QuantiseStep(Settings):
    """Weights, and with `static` all of the arithmetic between the first layer and the last, in fewer bits."""

    do: Literal["quantise"] = "quantise"
    method: Literal["static", "nncf", "dynamic", "float16"] = Field(
        "static",
        title="Method",
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
        False,
        title="7 bits",
        description="Weights of 7 bits, for processors without VNNI, whose sums of 8 bits may overflow.",
    )


class _Trained(Settings):
    """A step that trains, on `annotations_train.json` of the plan's data."""

    steps: int = Field(200, ge=0, title="Training steps", description="Training steps.")
    batch: int = Field(4, ge=1, description="Tiles per step.")
    tile: int = Field(256, ge=64, multiple_of=32, description="Side of the tiles in pixels.")
    learning_rate: float = Field(3e-4, gt=0, description="How much the weights change in a step.")
    workers: int = Field(0, ge=0, description="Processes that prepare tiles.")
    seed: int = Field(0, ge=0, description="Start of the random numbers.")
    accepted: float | None = Field(
        None, ge=0, le=1, description="Loss of AP50 accepted after this step; that of the plan when not given."
    )

    def training(self) -> dict[str, Any]:
        """The settings that a training has as well."""
        names = ("steps", "batch", "tile", "learning_rate", "workers", "seed")
        return {name: getattr(self, name) for name in names} | {"steps": max(1, self.steps)}


class PruneStep(_Trained):
    """Fewer channels or layers, or weights that are zero; the network is trained after each round."""

    do: Literal["prune"] = "prune"
    what: Literal["channels", "layers", "weights", "2:4"] = Field(
        "channels",
        description="channels and layers make the network smaller and faster; weights and 2:4 set weights to zero, which "
        "makes no engine here faster.",
    )
    part: float = Field(
        0.3, gt=0, lt=1, title="Part", description="Fraction of the channels, or of the weights, that go."
    )
    criterion: Literal["batch_norm", "magnitude", "gradient"] = Field(
        "magnitude", title="Ranked by", description="What ranks channels, over all layers together."
    )
    round_to: int = Field(
        16, ge=1, le=64, description="Channels of each layer are a multiple of this, which kernels like."
    )
    rounds: int = Field(
        1, ge=1, le=20, title="Rounds", description="Rounds in which the part is reached, with a training after each."
    )
    sparsity: float = Field(
        0.0, ge=0, description="Pull of batch-norm scales to zero in a training before the first round; 0 for none."
    )
    layers: dict[str, int] = Field(
        default_factory=dict, description='With what=layers: how many are left, such as {"mask_convs": 1}.'
    )

    @model_validator(mode="after")
    def _check(self) -> PruneStep:
        if (self.what == "layers") != bool(self.layers):
            raise ValueError('what=layers needs `layers`, such as {"mask_convs": 1}, and nothing else uses it')
        if self.sparsity and not self.steps:
            raise ValueError("sparsity acts in training, and steps is 0")
        return self


class DistilStep(_Trained):
    """Train a student on what its teachers say of each tile, beside the annotations."""

    do: Literal["distil"] = "distil"
    teachers: list[str] = Field(default_factory=list, description="Models; the model of the plan when not given.")
    student: AnyModel | None = Field(
        None, description="The form of a new network; the network of the step before when not given."
    )
    temperature: float = Field(
        2.0,
        gt=0,
        le=20,
        title="Temperature",
        description="Softens the teachers' probabilities; 1 takes them as they are.",
    )
    weight: float = Field(
        1.0,
        ge=0,
        title="Weight",
        description="Factor of the teachers' losses beside those of the annotations; 0 for none.",
    )
    features: float = Field(0.5, ge=0, description="Factor of the pyramid's features among the teachers' losses.")
    unlabelled: list[Path] = Field(
        default_factory=list,
        description="Folders of images without annotations; cells of which the model is sure are the truth there.",
    )


class QatStep(_Trained):
    """Quantisation-aware training, before a quantisation: INT8 is simulated, so that weights settle where it does not hurt."""

    do: Literal["qat"] = "qat"
    learning_rate: float = Field(1e-4, gt=0, description="How much the weights change in a step.")


_Kinds = Literal["quantise", "prune", "distil", "qat"]
Step = Annotated[QuantiseStep | PruneStep | DistilStep | QatStep, Field(discriminator="do")]


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
        0.01,
        ge=0,
        le=1,
        title="Accepted loss",
        description="Loss of AP50 that is accepted; a step that loses more ends the plan.",
    )
    diameter: float | None = Field(None, gt=0, description="Cell diameter in pixels; estimated when not given.")
    engine: Literal["openvino", "onnx"] = Field("openvino", description="Engine to judge and time with.")
    device: str = Field("cpu", description="Device to time on, such as cuda with the engine onnx.")
    name: str | None = Field(None, description="Install the result under this name.")

    @property
    def folders(self) -> list[Path]:
        """The folder in `out` of the model that each step makes."""
        return [self.out / f"{number}-{step.do}" for number, step in enumerate(self.steps, start=1)]


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
    except IsADirectoryError:
        raise BadSettings(f"{path} is a folder, not a plan. Choose a JSON file with a plan.") from None
    except ValidationError as error:
        faults = "; ".join(_fault(e) for e in error.errors()[:5])
        raise BadSettings(f"{Path(path).name} is not a plan of a compression: {faults}. Correct it there.") from None
    check_order(plan)
    return plan


def check_order(plan: Plan) -> None:
    """Refuse steps that do not go together.

    Raises
    ------
    BadSettings
        Naming the step and what to change.
    """
    steps = plan.steps
    for number, step in enumerate(steps, start=1):
        before = steps[number - 2] if number > 1 else None
        if isinstance(before, QuantiseStep):
            raise BadSettings(
                f"Step {number} of the plan ({step.do}) follows a quantisation. Quantised graphs cannot be changed any further: "
                "put the quantisation last, and only one."
            )
        if isinstance(before, QatStep) and not (isinstance(step, QuantiseStep) and step.method in ("static", "nncf")):
            raise BadSettings(
                f"Step {number} of the plan ({step.do}) follows qat, which prepares a static quantisation. Put that there."
            )
        if isinstance(step, DistilStep) and step.student is not None and number > 1:
            raise BadSettings(
                f"Step {number} of the plan starts a new student, and the steps before it would be lost. Put it first."
            )
    if isinstance(steps[-1], QatStep):
        raise BadSettings(
            "The last step of the plan is qat, which changes nothing without a quantisation. Add one with method static."
        )
    if plan.engine == "openvino" and plan.device not in ("auto", "cpu"):
        raise BadSettings(f"The engine openvino runs on the CPU only, not on '{plan.device}'. Choose the engine onnx.")
    if plan.data is None and (trained := next((s for s in steps if not isinstance(s, QuantiseStep)), None)):
        raise BadSettings(f"The step {trained.do} trains, and the plan has no annotated `data`. Add it.")


def _fault(fault: ErrorDetails) -> str:
    """Where in the file something is wrong, what, and what is right."""
    place, kind = _place(fault["loc"]), fault["type"]
    if kind == "json_invalid":
        return f"it is not JSON, {fault['ctx']['error']}"
    if kind == "too_short":
        return f"{place} is empty, name at least one step"
    if kind == "extra_forbidden":
        return f"{place} is not known"
    if kind == "missing":
        return f"{place} is missing"
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return f'{place} needs "do": {", ".join(get_args(_Kinds))}'
    return (
        f"{place}: {fault['msg'].removeprefix('Value error, ')}"
        if kind == "value_error"
        else f"{place}: {fault_text(fault)}"
    )


def _place(parts: tuple[int | str, ...]) -> str:
    """Where in the file: "step 2, method"."""
    words = [
        f"step {part + 1}" if isinstance(part, int) else str(part)
        for part in parts
        if part != "steps" or len(parts) == 1
    ]
    return ", ".join(words) or "plan"
