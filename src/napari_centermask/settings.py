"""Settings, written once: one pydantic class is the JSON file, the command-line flags and the form.

Each class says where its defaults come from. Bounds that no comment explains keep out what makes no sense, such as a negative
size; an upper one is a choice far beyond what is useful.
"""

from __future__ import annotations

from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Union

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializeAsAny,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
)
from pydantic.config import JsonDict
from pydantic_core import ErrorDetails


def fault_text(fault: ErrorDetails) -> str:
    """What is wrong with a value, and the value: in the words of the settings themselves if they refused it, else pydantic's."""
    if fault["type"] == "extra_forbidden":
        return "there is no such setting"
    text = fault["msg"].removeprefix("Value error, ")
    return text if fault["type"] == "missing" or ", got " in text else f"{text}, got {fault['input']!r}"


class Settings(BaseModel):
    """Base of all settings: unknown names are refused, values are checked on assignment."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)


def shown(unit: str = "", *, zero: str = "", range: str = "") -> JsonDict:
    """How a form shows a field: its unit, what 0 stands for, and its range where the limits of the field do not say it."""
    return {"unit": unit, "zero": zero, "range": range}


def _off_at_zero(default: float, title: str, description: str, *, most: float | None = None, unit: str = "") -> float:
    """A field for how much of something there is, from 0, which forms show as off, to `most`."""
    return Field(
        default, ge=0, le=most, title=title, json_schema_extra=shown(unit, zero="off"), description=description
    )


class PreprocessSettings(Settings):
    """How intensities are corrected before they are normalised; the same in training and in use.

    Sizes are pixels at the model's cell size, so that they follow the cells and not the magnification. Defaults change
    nothing; the sizes are choices, two and a half cells of 40 pixels for the background and a pixel for the noise.
    """

    flat_field: Path | None = Field(
        None,
        title="Flat field",
        description="Image of the illumination; images are divided by it. It belongs to one microscope.",
    )
    dark: float = Field(
        0.0,
        title="Dark level",
        json_schema_extra=shown("grey levels"),
        description="Grey level of the camera without light; subtracted before the division.",
    )
    background: Literal["none", "gaussian", "rolling_ball", "tophat"] = Field(
        "none", title="Background", description="How to estimate the background, which is then subtracted."
    )
    background_size: float = Field(
        100.0,
        ge=8,
        le=2000,
        title="Background size",
        json_schema_extra=shown("px"),
        description="Structures wider than this are background; at least two cells wide. In pixels at the model's "
        "cell size.",
    )
    denoise: Literal["none", "gaussian", "median"] = Field(
        "none", title="Noise filter", description="Filter that removes noise."
    )
    denoise_size: float = Field(
        1.0,
        gt=0,
        le=5,
        title="Filter size",
        json_schema_extra=shown("px"),
        description="Sigma of the Gaussian, or radius of the median, in pixels at the model's cell size.",
    )
    ignore_specks: bool = Field(
        False,
        title="Ignore specks",
        description="Leave bright specks, such as dust, out when the intensity range is measured.",
    )

    @property
    def portable(self) -> PreprocessSettings:
        """The part that holds on every microscope."""
        return self.model_copy(update={"flat_field": None, "dark": 0.0})

    @property
    def microscope(self) -> PreprocessSettings:
        """The part that belongs to one microscope, to be used beside a model's own settings."""
        return PreprocessSettings(**({"flat_field": self.flat_field, "dark": self.dark} if self.flat_field else {}))


class TrackSettings(Settings):
    """How cells are followed through time. Defaults were chosen on composed sequences (docs/benchmarks.md, "Tracking")."""

    largest_motion: float | None = Field(
        None,
        gt=0,
        le=10_000,
        description="Farthest that a cell moves from one frame to the next, in pixels; a cell's diameter if not given.",
    )
    longest_gap: int = Field(1, ge=0, le=20, description="Frames in a row in which a cell may be missing.")
    divisions: bool = Field(True, description="Look for cells that divide.")


class StitchSettings(Settings):
    """How slices are joined to 3-D cells. Defaults were chosen on composed stacks (docs/benchmarks.md, "Tracking")."""

    smallest_iou: float = Field(
        0.1, gt=0, le=1, description="Smallest overlap (IoU) of the masks of a cell in two neighbouring slices."
    )
    longest_gap: int = Field(1, ge=0, le=5, description="Slices in a row in which a cell may be missing.")


# On the sample of 126 nuclei that is 264 boxes for the mask heads instead of 129 and a third more time; from 0.1 on it
# would be 2,454. It is about the root of the reference's 0.05, from which on its detections enter COCO AP.
LOWEST_SCORE = 0.2
"""Candidates from this score on are kept where cells are filtered or judged later: by the slider, in AP, in a ranking."""


class SegmentSettings(Settings):
    """How an image is segmented.

    A score, suppression, overlap or smallest area that is not set comes from the model's card, if it has one.

    Defaults, for models whose card has none: `score` is that of the reference's demo, `nms` the reference's (docs/models.md),
    `mask_nms` was compared with others (docs/benchmarks.md, "Overlapping cells"), `percentiles` are `core.normalise.RANGE`. A
    `foreground` of a half takes what is more likely a cell than not; `seed` and `smoothing` are choices; what the shipped
    U-Net takes in their place was chosen on `val` (docs/models.md). `tile` and `overlap` are choices: a tile of 1,024 keeps
    the whole process below 750 MB (docs/benchmarks.md, "Large images"), and the pipeline overlaps tiles by a cell in any
    case. `min_area` is a choice: fewer pixels have no shape.
    """

    model: str = Field("nuclei", title="Model", description="Name of an installed model, or a model file.")
    score: float = Field(
        0.4,
        ge=0,
        le=1,
        title="Score threshold",
        description="Cells below this score are left out; each model has its own default.",
    )
    diameter: float | None = Field(
        None,
        gt=0,
        le=10_000,
        title="Cell diameter",
        json_schema_extra=shown("px", zero="automatic"),
        description="Typical cell diameter in pixels; estimated from the image if not given.",
    )
    channels: list[int] | None = Field(
        None, title="Channels", description="Channels to use, in the model's order; all if not given."
    )
    channel_names: list[str] | None = Field(
        None,
        title="Channel names",
        description="Names of the image's channels, in its order; used to sort them into the model's order.",
    )
    preprocess: PreprocessSettings = Field(
        default_factory=PreprocessSettings,
        title="Intensities",
        description="Correction of intensities; replaces the one that the model was trained with.",
    )
    tile: int = Field(
        1024,
        ge=128,
        le=4096,
        title="Tile side",
        json_schema_extra=shown("px"),
        description="Largest side of a tile, in pixels of the network; smaller tiles need less memory.",
    )
    overlap: int = Field(
        64,
        ge=0,
        le=1024,
        title="Tile overlap",
        json_schema_extra=shown("px"),
        description="Smallest overlap of neighbouring tiles, in pixels; it is at least as wide as a cell in any case.",
    )
    engine: Literal["auto", "openvino", "onnx", "torch", "tensorrt"] = Field(
        "auto",
        title="Engine",
        description="The library that runs the network; auto takes the fastest one that works here, as benchmark --pick "
        "measured it.",
    )
    device: str = Field(
        "auto",
        title="Device",
        description="Processor that runs the network: auto, cpu, cuda, cuda:1, tensorrt, coreml, directml, mps; several, as "
        "cuda:0,cuda:1, share the tiles and the images.",
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto",
        title="Precision",
        description="Numbers that the network computes with; auto is float32 until benchmark --pick chose another one. Shorter "
        "ones are faster where the processor has them, and move outlines a little.",
    )
    nms: float = Field(
        0.6,
        gt=0,
        le=1,
        title="Duplicates: box IoU",
        description="Of boxes that overlap more than this (IoU), the one with the highest score is kept; each "
        "model has its own default.",
    )
    soft_nms: float = _off_at_zero(
        0.0,
        "Soft-NMS sigma",
        "Sigma of soft-NMS, which lowers the scores of overlapping boxes instead of dropping them; 0 for none.",
        most=10,
    )
    mask_nms: float = Field(
        0.7,
        gt=0,
        le=1,
        title="Duplicates: overlap",
        description="A mask of which a better one covers more than this fraction is a duplicate and is removed; "
        "each model has its own default.",
    )
    percentiles: tuple[float, float] = Field(
        (1.0, 99.8),
        title="Intensity range",
        json_schema_extra=shown("%", range="0 to 100 %, the smaller first"),
        description="Percentiles of the intensities that become 0 and 1, for each channel.",
    )
    min_area: int = Field(
        8,
        ge=1,
        title="Smallest area",
        json_schema_extra=shown("px"),
        description="Cells with fewer pixels are left out.",
    )
    max_detections: int | None = Field(
        None,
        ge=1,
        title="Most cells per tile",
        json_schema_extra=shown(zero="no limit"),
        description="Largest number of cells per tile; no limit if not given.",
    )
    foreground: float = Field(
        0.5,
        gt=0,
        lt=1,
        title="Foreground",
        description="U-Net: pixels with at least this probability belong to cells; lower values make cells larger.",
    )
    seed: float = Field(
        0.4,
        ge=0,
        le=1,
        title="Seed depth",
        description="U-Net: depth at which a cell starts, from 0 (edge) to 1 (middle); higher values separate "
        "more cells.",
    )
    smoothing: float = _off_at_zero(
        1.0,
        "Smoothing",
        "U-Net: blur before cells are separated, in pixels of the network; more blur separates fewer cells.",
        most=20,
        unit="px",
    )
    flips: bool = Field(
        False,
        title="Average mirrored",
        description="Average over mirrored copies of the image; takes four times as long.",
    )
    scales: list[float] = Field(
        [1.0],
        min_length=1,
        max_length=9,
        title="Scales",
        description="Sizes at which to look at the image, relative to the usual one, such as 0.8 1 1.25; the "
        "cells that they find are matched and averaged. Time grows with the squares of the sizes.",
    )
    more_models: list[str] = Field(
        default_factory=list,
        title="More models",
        description="Further models of any family with the same categories, or with one each; the cells of all are matched and "
        "averaged.",
    )

    @field_validator("scales")
    @classmethod
    def _different(cls, value: list[float]) -> list[float]:
        if not all(0.25 <= scale <= 4 for scale in value) or len(set(value)) < len(value):
            shown = " ".join(f"{scale:g}" for scale in value)
            raise ValueError(f"expected different sizes between 0.25 and 4, such as 0.8 1 1.25, got {shown}")
        return value

    @field_validator("percentiles")
    @classmethod
    def _rising(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0 <= value[0] < value[1] <= 100:
            raise ValueError(
                f"expected two increasing numbers between 0 and 100, such as 1 99.8, got {value[0]:g} {value[1]:g}"
            )
        return value


class AugmentSettings(Settings):
    """Random changes of the training tiles.

    Their strengths are choices, not measured one by one. `nuclei` was trained with them, but for zooms from 0.4
    (scripts/train_nuclei.json); changes that are off by default suit some microscopes only.
    """

    flip: bool = Field(True, title="Flips and turns", description="Mirror the tile and turn it by quarter turns.")
    scale: tuple[float, float] = Field(
        (0.5, 1.6),
        title="Zoom",
        json_schema_extra=shown("x", range="above 0, the smaller first"),
        description="Range of the random zoom around the model's diameter.",
    )
    rotate: float = _off_at_zero(0.0, "Free rotation", "Largest free rotation, in degrees.", most=180, unit="°")
    intensity: float = _off_at_zero(
        0.3, "Brightness, contrast", "Strength of brightness, contrast and gamma changes.", most=1
    )
    blur: float = _off_at_zero(1.0, "Blur", "Largest Gaussian blur, sigma in pixels.", unit="px")
    noise: float = _off_at_zero(0.05, "Noise", "Largest Gaussian noise, as a fraction of the intensity range.", most=1)
    invert: float = _off_at_zero(0.0, "Invert", "Probability of inverting the intensities.", most=1)
    gradient: float = _off_at_zero(0.2, "Uneven light", "Strength of an uneven illumination.", most=1)
    grey: float = _off_at_zero(0.2, "Colour to grey", "Probability of turning a colour tile grey.", most=1)
    specks: float = _off_at_zero(
        0.0,
        "Bright specks",
        "Probability of adding a few bright specks, which make everything else look dim, as in real images.",
        most=1,
    )
    elastic: float = _off_at_zero(
        0.0, "Deformation", "Largest shift of an elastic deformation, in pixels.", most=20, unit="px"
    )
    copy_paste: float = _off_at_zero(
        0.3,
        "Paste cells",
        "Probability of pasting cells onto others, in images that do not have three channels.",
        most=1,
    )
    drop_channel: float = _off_at_zero(
        0.0, "Blank a channel", "Probability of blanking one channel, so that the model works without it.", most=1
    )
    dim: float = _off_at_zero(
        0.0, "Dim image", "Probability of dimming the image to a part of the intensity range.", most=1
    )
    dim_light: tuple[float, float] = Field(
        (0.05, 0.5),
        title="Dimmed range",
        json_schema_extra=shown(range="above 0 to 1, the smaller first"),
        description="Part of the intensity range that a dimmed image keeps, from the first number to the second.",
    )
    photon_noise: float = _off_at_zero(
        0.0, "Photon noise", "Probability of adding the noise of a short exposure, which can be very strong.", most=1
    )
    photons: tuple[float, float] = Field(
        (5.0, 100.0),
        title="Photons",
        json_schema_extra=shown(range="above 0, the smaller first"),
        description="Range of the photons in the brightest cells; fewer are noisier.",
    )
    stain: float = _off_at_zero(
        0.0, "Vary H&E stains", "Probability of changing the stains of an H&E image, in optical density.", most=1
    )
    stain_strength: float = Field(
        0.3, gt=0, le=1, title="Stain change", description="Largest change of each stain, as a part of what there is."
    )
    clahe: float = _off_at_zero(
        0.0, "Equalise (CLAHE)", "Probability of equalising the contrast everywhere in the tile (CLAHE).", most=1
    )
    clahe_limit: tuple[float, float] = Field(
        (0.005, 0.03),
        title="CLAHE limit",
        json_schema_extra=shown(range="above 0 to 1, the smaller first"),
        description="Range of the limit of CLAHE, from 0 to 1; higher values give more contrast.",
    )
    paste_colour: float = _off_at_zero(
        0.0,
        "Paste, in colour",
        "Probability of pasting cells onto others, in images with three channels; dark cells absorb light.",
        most=1,
    )
    paste_light: tuple[float, float] = Field(
        (0.6, 1.2),
        title="Pasted light",
        json_schema_extra=shown("x", range="above 0, the smaller first"),
        description="Range of the factor on the light of pasted cells; from 0.1 on, dim cells lie under bright ones.",
    )
    mixup: float = _off_at_zero(
        0.0,
        "Add a second tile",
        "Probability of adding a second tile with its cells, as in a thick sample (MixUp).",
        most=1,
    )
    mixup_light: tuple[float, float] = Field(
        (0.3, 1.0),
        title="Second tile's light",
        json_schema_extra=shown("x", range="above 0, the smaller first"),
        description="Range of the factor on the light of the second tile.",
    )
    empty: float = _off_at_zero(
        0.0,
        "Empty field",
        "Probability of an empty field instead of the tile: noise of its background over the whole range.",
        most=1,
    )
    defocus: float = _off_at_zero(
        0.0, "Defocus", "Probability of blurring the tile so much that no cell can be found in it.", most=1
    )
    defocus_blur: tuple[float, float] = Field(
        (8.0, 20.0),
        title="Defocus blur",
        json_schema_extra=shown("px", range="above 0 px, the smaller first"),
        description="Range of the blur of a defocused tile, sigma in pixels.",
    )

    @field_validator("dim_light", "photons", "clahe_limit", "paste_light", "mixup_light", "defocus_blur")
    @classmethod
    def _rising(cls, value: tuple[float, float], info: ValidationInfo) -> tuple[float, float]:
        """Ranges of strengths: above 0, and limits of CLAHE and of a part of the range up to 1."""
        most = 1.0 if info.field_name in ("dim_light", "clahe_limit") else inf
        if not 0 < value[0] <= value[1] <= most or value[1] == inf:
            above = "" if most == inf else " and at most 1"
            raise ValueError(f"expected two numbers above 0{above}, the smaller first, got {value[0]:g} {value[1]:g}")
        return value

    @field_validator("scale")
    @classmethod
    def _in_order(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0 < value[0] <= value[1] < inf:
            raise ValueError(
                f"expected two factors above 0, the smaller first, as 0.5 1.6, got {value[0]:g} {value[1]:g}"
            )
        return value


NETWORKS: dict[str, type[NetworkSettings]] = {}
"""The form of each family's networks, by the family's name; a class that names its family enters itself."""


class NetworkSettings(Settings):
    """Settings of every network, in one class, so that the families can share these flags on the command line."""

    family: str
    in_channels: int = Field(3, ge=1, le=64, description="Channels of the input image.")
    categories: list[str] = Field(["cell"], min_length=1, description="Names of the categories, in order.")

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: object) -> None:
        """Enter the class in `NETWORKS`."""
        NETWORKS[cls.model_fields["family"].default] = cls

    @property
    def summary(self) -> str:
        """The form in a few words, for lists of models."""
        return self.family

    @property
    def strides(self) -> tuple[int, ...]:
        """Pixels between the locations of each level, finest first; none where the maps are as large as the tile."""
        return ()

    @property
    def rates_boxes(self) -> bool:
        """Whether scores are the root of the class probability times the quality of the box, not that probability alone."""
        return True


class ModelSettings(NetworkSettings):
    """Settings of a CenterMask. The defaults are those of `nuclei`; docs/models.md has the reference's values."""

    family: Literal["centermask"] = "centermask"
    backbone: str = Field(
        "V-19-slim-eSE",
        description="V-19-slim-dw-eSE, V-19-slim-eSE, V-19-dw-eSE, V-19-eSE, V-39-eSE, V-57-eSE, V-99-eSE, R-50, R-101, "
        "X-101 (ResNeXt, 32 groups of 8) or MobileNetV2.",
    )
    backbone_norm: Literal["FrozenBN", "BN", "GN"] = Field("BN", description="FrozenBN is the reference.")
    ese: bool = Field(True, description="Channel gates of VoVNetV2; they pool over the whole tile.")
    stem_stride: int = Field(
        4,
        ge=2,
        le=4,
        multiple_of=2,
        description="How much the stem reduces the image: 4 (reference), or 2, which halves the strides of all levels, for very "
        "small cells: all later layers see four times as many pixels.",
    )
    fpn_channels: int = Field(128, ge=16, description="128 (lite) or 256.")
    first_level: int = Field(
        3,
        ge=2,
        le=3,
        description="Finest FPN level, with a location every 2^level pixels (half of that with a stem_stride of 2); 3 in the "
        "reference.",
    )
    top_levels: int = Field(2, ge=0, le=2, description="FPN levels above P5; 2 in the reference.")
    head_convs: int = Field(2, ge=1, le=8, description="Convolutions in each FCOS tower: 2 (lite) or 4.")
    head_channels: int | None = Field(
        None, ge=16, description="Channels of the FCOS towers; by default those of the FPN, as in the reference."
    )
    head_norm: Literal["GN", "none"] = Field("GN", description="GN is the reference; it depends on the tile.")
    box_quality: Literal["centerness", "iou", "none"] = Field(
        "centerness",
        description="What ranks boxes besides the class: centerness (reference), or their IoU with the cell; none: the class "
        "alone, which suits a classification loss of quality.",
    )
    mask_convs: int = Field(2, ge=1, le=8, description="Convolutions of the mask head: 2 (lite) or 4.")
    mask_channels: int = Field(128, ge=16, description="Channels of the mask head: 128 (lite) or 256.")
    class_agnostic_mask: bool = Field(False, description="One mask for all categories instead of one each.")
    maskiou: bool = Field(True, description="Predict each mask's IoU.")
    maskiou_convs: int = Field(2, ge=1, description="Convolutions of the mask-IoU head: 2 (lite) or 4.")
    maskiou_channels: int = Field(128, ge=16, description="Channels of the mask-IoU head.")
    maskiou_fc: int = Field(1024, ge=16, description="Width of its fully connected layers.")
    roi_levels: Literal["ratio", "area"] = Field(
        "ratio", description="ratio (reference) depends on the tile; area does not."
    )
    roi_size: int = Field(
        14,
        ge=6,
        le=28,
        multiple_of=2,
        description="Side to which a cell's features are pooled; its mask has twice that.",
    )

    @property
    def pooled_levels(self) -> tuple[int, ...]:
        """The pyramid's levels up to P5, finest first: those that cells are pooled from."""
        return tuple(range(self.first_level, 6))

    @property
    def enlargement(self) -> int:
        """How many times as large the pyramid sees cells as the reference's does, whose stem has a stride of 4."""
        return 4 // self.stem_stride

    @property
    def strides(self) -> tuple[int, ...]:
        """Pixels between the locations of each level, finest first."""
        return tuple(2**level // self.enlargement for level in range(self.first_level, 6 + self.top_levels))

    @property
    def rates_boxes(self) -> bool:
        """Whether the network predicts a quality of each box, which its score is made of."""
        return self.box_quality != "none"

    @property
    def summary(self) -> str:
        """The form in a few words, for lists of models."""
        return self.backbone


class UNetSettings(NetworkSettings):
    """Settings of a U-Net: maps of background and categories, and maps that separate touching cells.

    `depth` is the paper's (arXiv 1505.04597). `width` is a choice, a quarter of the paper's 64: 1.9 instead of 31 million
    parameters. The border and the distance are there because touching cells are parted with them; docs/models.md has the rest.
    """

    family: Literal["unet"] = "unet"
    architecture: Literal["plain", "unet", "unet++", "fpn", "deeplabv3+"] = Field(
        "plain", description="plain is the paper's; the others need segmentation-models-pytorch (extra 'unet')."
    )
    depth: int = Field(4, ge=1, le=8, description="How often the size is halved; 3 to 5 with an encoder.")
    width: int = Field(
        16,
        ge=4,
        le=512,
        description="Channels of the first level, doubled at each level; with an encoder, a sixteenth of the decoder's channels.",
    )
    encoder: str = Field(
        "resnet18", description="Encoder of all but the plain one: its name in segmentation-models-pytorch."
    )
    norm: Literal["BN", "GN", "none"] = Field(
        "BN", description="Normalisation of the plain network; GN depends on the tile, none is the paper's."
    )
    attention: Literal["none", "scse", "gate"] = Field(
        "none", description="scse gates channels and places, gate the skips (plain only); scse depends on the tile."
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="Fraction of the channels dropped at the deepest level.")
    border: bool = Field(True, description="Predict where cells touch or end, to separate them.")
    distance: bool = Field(True, description="Predict how far inside its cell a pixel lies, to find each cell once.")
    deep_supervision: bool = Field(False, description="Train the coarser levels too (plain only).")

    @property
    def map_names(self) -> list[str]:
        """Names of the maps, in the order of the network's output channels."""
        extra = [name for name in ("border", "distance") if getattr(self, name)]
        return ["background", *self.categories, *extra]

    @property
    def summary(self) -> str:
        """The form in a few words, for lists of models."""
        if self.architecture == "plain":
            return f"U-Net, {self.depth} levels of {self.width} channels and more"
        return f"{self.architecture}, {self.encoder}"

    @property
    def n_classes(self) -> int:
        """Class maps: the background and each category."""
        return 1 + len(self.categories)


ANCHOR_STRIDES = (4, 8, 16, 32, 64)
"""Pixels between the locations of each level that a Mask R-CNN has anchors on: torchvision's pyramid."""


class MaskRCNNSettings(NetworkSettings):
    """Settings of a Mask R-CNN (arXiv 1703.06870) with a feature pyramid, as torchvision has it.

    The defaults are those of torchvision's `maskrcnn_resnet50_fpn`, but for the anchors, which are half as large: typical cells
    have 40 pixels, and objects in photographs twice that and more. That is a choice, which was not compared with others.
    """

    family: Literal["maskrcnn"] = "maskrcnn"
    resnet: Literal["R-18", "R-34", "R-50", "R-101"] = Field(
        "R-50", title="ResNet", description="R-18, R-34, R-50 or R-101."
    )
    resnet_norm: Literal["FrozenBN", "BN", "GN"] = Field(
        "BN",
        title="Norm",
        description="FrozenBN is torchvision's for a backbone with weights; it does not suit a training from scratch.",
    )
    pyramid_channels: int = Field(256, ge=16, title="Pyramid channels", description="Channels of the feature pyramid.")
    anchor_sizes: list[float] = Field(
        [16.0, 32.0, 64.0, 128.0, 256.0],
        min_length=5,
        max_length=5,
        title="Anchor sizes",
        json_schema_extra=shown("px", range="five numbers, the smallest first"),
        description="Sides of the anchors with a location every 4, 8, 16, 32 and 64 pixels, in pixels of the network; "
        "torchvision's are 32 64 128 256 512.",
    )
    anchor_ratios: list[float] = Field(
        [0.5, 1.0, 2.0],
        min_length=1,
        max_length=9,
        title="Anchor shapes",
        json_schema_extra=shown(range="one to nine numbers above 0"),
        description="Shapes of the anchors: height over width.",
    )
    box_size: int = Field(
        7,
        ge=3,
        le=28,
        title="Box resolution",
        description="Side to which a region's features are pooled for its box.",
    )
    box_fc: int = Field(
        1024, ge=16, title="Box head width", description="Width of the fully connected layers of the box head."
    )
    mask_head_convs: int = Field(4, ge=1, le=8, title="Mask head depth", description="Convolutions of the mask head.")
    mask_head_channels: int = Field(256, ge=16, title="Mask head width", description="Channels of the mask head.")
    roi_size: int = Field(
        14,
        ge=6,
        le=28,
        multiple_of=2,
        title="Mask resolution",
        description="Side to which a cell's features are pooled; its mask has twice that.",
    )

    @field_validator("anchor_sizes", mode="before")
    @classmethod
    def _one_for_each_level(cls, value: object) -> object:
        if isinstance(value, list | tuple) and len(value) != len(ANCHOR_STRIDES):
            levels = ", ".join(map(str, ANCHOR_STRIDES[:-1]))
            raise ValueError(
                f"expected {len(ANCHOR_STRIDES)} sizes, one for each level of the pyramid, which has a location every {levels} "
                f"and {ANCHOR_STRIDES[-1]} pixels, got {len(value)}"
            )
        return value

    @field_validator("anchor_sizes", "anchor_ratios")
    @classmethod
    def _positive(cls, value: list[float]) -> list[float]:
        if not all(0 < number < 10_000 for number in value):
            raise ValueError(f"expected numbers above 0, got {' '.join(f'{number:g}' for number in value)}")
        return value

    @property
    def summary(self) -> str:
        """The form in a few words, for lists of models."""
        return f"Mask R-CNN, {self.resnet}"


class Detectron2Settings(NetworkSettings):
    """A model of detectron2, which must be installed to use it."""

    family: Literal["detectron2"] = "detectron2"
    config: str = Field(
        "", description="Its configuration as YAML; models add CONFIG.yaml --weights FILE reads it from a file."
    )

    @property
    def summary(self) -> str:
        """The form in a few words, for lists of models."""
        return "a model of detectron2"


def _of_family(value: object, validate: ValidatorFunctionWrapHandler) -> NetworkSettings:
    """Settings without a family, from old files, are a CenterMask's; a family outside the union has its own class."""
    if not isinstance(value, dict):
        return value if isinstance(value, NetworkSettings) else validate(value)
    own = NETWORKS.get(value.get("family", ""))
    if own is not None and own not in _FORMS:
        return own.model_validate(value)
    checked: NetworkSettings = validate({"family": "centermask"} | value)
    if "family" not in value:
        checked.model_fields_set.discard("family")
    return checked


_FORMS = tuple(NETWORKS.values())
if TYPE_CHECKING:
    AnyModel = NetworkSettings
else:
    AnyModel = Annotated[SerializeAsAny[Union[_FORMS]], Field(discriminator="family"), WrapValidator(_of_family)]  # noqa: UP007
"""The form of a network; `family` says which one. The command line has flags for every class above that is a form."""


class LossSettings(Settings):
    """The losses of a U-Net's maps, each with its factor, 0 for none; see docs/training.md.

    `focal_gamma` is the best one of arXiv 1708.02002 (table 1b), `tversky_alpha` that of arXiv 1706.05721. The factors are
    choices: cross-entropy and Dice alike, as in nnU-Net, and the two maps beside them.
    """

    cross_entropy: float = _off_at_zero(1.0, "Cross-entropy", "Factor of the cross-entropy of the classes.")
    focal: float = _off_at_zero(
        0.0, "Focal loss", "Factor of the focal loss, in which pixels that are already right count less."
    )
    focal_gamma: float = Field(
        2.0,
        ge=0,
        le=10,
        title="Focal gamma",
        description="How much less such pixels count in the focal loss; 0 is the cross-entropy.",
    )
    dice: float = _off_at_zero(1.0, "Dice", "Factor of the soft Dice of the categories; independent of their size.")
    tversky: float = _off_at_zero(
        0.0,
        "Tversky",
        "Factor of the Tversky loss: Dice with different weights for false positive and false negative pixels.",
    )
    tversky_alpha: float = Field(
        0.3,
        ge=0,
        le=1,
        title="Tversky alpha",
        description="Weight of a false positive pixel; that of a false negative one is 1 minus this.",
    )
    boundary: float = _off_at_zero(
        0.0,
        "Boundary",
        "Factor of the boundary loss: wrong pixels count by their distance to the edge of the foreground.",
    )
    border: float = _off_at_zero(1.0, "Border map", "Factor of the border map.")
    distance: float = _off_at_zero(1.0, "Distance map", "Factor of the distance map.")
    class_weights: Literal["none", "balanced"] = Field(
        "none", title="Class weights", description="balanced: classes with fewer pixels weigh more."
    )


class InstanceLossSettings(Settings):
    """The losses of a CenterMask, each with its factor; the defaults are the reference's, whose factors are all 1.

    Sources: CenterMask, arXiv 1911.06667, equation 6; quality focal loss, arXiv 2006.04388; IoU loss, arXiv 1608.01471;
    smooth L1, arXiv 1504.08083. docs/training.md says how each is computed.
    """

    classification: float = _off_at_zero(1.0, "Classes", "Factor of the classes at each location.")
    classification_loss: Literal["focal", "quality"] = Field(
        "focal",
        title="Class loss",
        description="focal is the reference; quality: the probability of a class predicts the IoU of its box.",
    )
    class_weights: Literal["none", "balanced"] = Field(
        "none", title="Class weights", description="balanced: categories with fewer cells weigh more."
    )
    box: float = _off_at_zero(1.0, "Boxes", "Factor of the boxes.")
    box_loss: Literal["giou", "iou", "smooth_l1"] = Field(
        "giou", title="Box loss", description="How boxes are compared with the true ones; giou is the reference."
    )
    box_quality: float = _off_at_zero(1.0, "Box quality", "Factor of the centerness, or of what takes its place.")
    mask: float = _off_at_zero(1.0, "Masks", "Factor of the pixels of the masks (cross-entropy).")
    mask_dice: float = _off_at_zero(
        0.0, "Masks, Dice", "Factor of the soft Dice of the masks; independent of their size."
    )
    mask_boundary: float = _off_at_zero(
        0.0, "Mask edges", "Factor of the cross-entropy of the pixels along the masks' edges."
    )
    small_cells: float = _off_at_zero(
        0.0, "Favour small cells", "How much more small cells weigh: the inverse of their area to this power.", most=1
    )
    mask_iou: float = _off_at_zero(1.0, "Mask IoU", "Factor of the predicted IoU of the masks.")


class RegionSettings(Settings):
    """How a Mask R-CNN is trained: its losses, each with its factor, and which anchors and regions they are computed on.

    The defaults are those of torchvision's `maskrcnn_resnet50_fpn`. Sources: Faster R-CNN, arXiv 1506.01497, section 3.1.3; Mask
    R-CNN, arXiv 1703.06870, section 3.1.
    """

    objectness: float = _off_at_zero(1.0, "Anchors: cell or not", "Factor of whether anchors hold a cell.")
    rpn_box: float = _off_at_zero(1.0, "Anchors: boxes", "Factor of the boxes that are proposed.")
    classification: float = _off_at_zero(1.0, "Regions: categories", "Factor of the categories of regions.")
    class_weights: Literal["none", "balanced"] = Field(
        "none", title="Class weights", description="balanced: categories with fewer cells weigh more."
    )
    box: float = _off_at_zero(1.0, "Regions: boxes", "Factor of the boxes of regions.")
    mask: float = _off_at_zero(1.0, "Regions: masks", "Factor of the pixels of the masks (cross-entropy).")
    anchors: int = Field(
        256, ge=8, le=10_000, title="Anchors per tile", description="Anchors of a tile that losses are computed on."
    )
    anchors_positive: float = Field(
        0.5, gt=0, le=1, title="Anchors with a cell", description="Largest fraction of these anchors that holds a cell."
    )
    anchor_iou: tuple[float, float] = Field(
        (0.3, 0.7),
        title="Anchor IoU",
        json_schema_extra=shown(range="0 to 1, the smaller first"),
        description="Below the first overlap (IoU) with any cell an anchor is background, from the second on it holds the cell.",
    )
    proposals: int = Field(
        2000,
        ge=50,
        le=20_000,
        title="Proposals",
        description="Largest number of regions that a tile proposes in training.",
    )
    regions: int = Field(
        512, ge=8, le=10_000, title="Regions per tile", description="Regions of a tile that losses are computed on."
    )
    regions_positive: float = Field(
        0.25,
        gt=0,
        le=1,
        title="Regions with a cell",
        description="Largest fraction of these regions that holds a cell.",
    )
    region_iou: float = Field(
        0.5, gt=0, lt=1, title="Region IoU", description="Overlap (IoU) with a cell from which a region holds it."
    )

    @field_validator("anchor_iou")
    @classmethod
    def _in_order(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0 < value[0] <= value[1] < 1:
            raise ValueError(
                f"expected two numbers between 0 and 1, the smaller first, as 0.3 0.7, got {value[0]:g} {value[1]:g}"
            )
        return value


class TrainSettings(Settings):
    """Training settings; one object is the run file, the flags and the form.

    The defaults are those of a training from scratch; `training.run.defaults` computes those of a fine-tuning. `diameter`,
    `tile`, `batch`, `learning_rate` and `weight_decay` are those that `nuclei` was trained with (scripts/train_nuclei.json);
    others were not compared. The rate is also PyTorch's default for AdamW; the decay is a choice, five times PyTorch's 0.01,
    against overfitting of few images. `steps`, `warmup`, `ema` (a mean over the last 1,000 steps), `clip` and
    `evaluate_every` are choices for runs of hours. `replay_part` was measured, see `training.run.defaults`.
    """

    data: list[Path] = Field(
        ...,
        title="Data",
        description="Folders with images/ and annotations_train.json, at least one also with annotations_val.json; projects, or "
        "training data of other tools, which are copied to the run folder.",
    )
    out: Path = Field(..., title="Run folder", description="Run folder: settings, events, checkpoints, the model.")
    start: str | None = Field(
        None, title="Start model", description="Model to fine-tune; train from scratch if not given."
    )
    pretrained: str | None = Field(
        None,
        title="Weights from",
        description="Model, or weights of torchvision, timm or detectron2 (.pth, .bin, .safetensors, .pkl), that a new network "
        "starts with, where names and shapes are the same.",
    )
    weights: list[float] | None = Field(
        None,
        title="Folder weights",
        description="How often each data folder is sampled, relative to its number of tiles.",
    )
    model: AnyModel = Field(default_factory=ModelSettings)
    channel_names: list[str] = Field(
        default_factory=list,
        title="Channel names",
        description="Names of the model's channels; the channels of images that have names are sorted by them.",
    )
    normalisation: Literal["percentile", "zscore"] = Field(
        "percentile", title="Intensity scaling", description="How intensities are scaled."
    )
    preprocess: PreprocessSettings = Field(default_factory=PreprocessSettings)
    augment: AugmentSettings = Field(default_factory=AugmentSettings)
    losses: LossSettings = Field(default_factory=LossSettings, description="Losses of a U-Net.")
    instance_losses: InstanceLossSettings = Field(
        default_factory=InstanceLossSettings, description="Losses of a CenterMask."
    )
    regions: RegionSettings = Field(default_factory=RegionSettings, description="Losses and sampling of a Mask R-CNN.")
    diameter: float = Field(
        40.0,
        gt=0,
        title="Cell diameter",
        json_schema_extra=shown("px"),
        description="Images are rescaled so that cells have this diameter, in pixels.",
    )
    diameters: Literal["one", "per-category"] = Field(
        "one",
        title="Cell sizes",
        description="per-category: categories that differ in size by more than three times have a scale each, in "
        "training and in use; one: all are seen at the scale of the median cell.",
    )
    tile: int = Field(
        256,
        ge=64,
        multiple_of=32,
        title="Tile side",
        json_schema_extra=shown("px"),
        description="Side of the training tiles, in pixels; a multiple of 32.",
    )
    batch: int = Field(
        8,
        ge=1,
        title="Tiles per step",
        description="Tiles per step; more give a steadier training, and need more memory.",
    )
    steps: int = Field(
        20_000, ge=1, title="Steps", description="Total number of steps; in each, the weights change once."
    )
    minutes: float | None = Field(
        None,
        gt=0,
        title="Time limit",
        json_schema_extra=shown("min", zero="no limit"),
        description="Limit on all steps together, in minutes of the training's own computing, which take longer by the clock "
        "on a busy computer; the schedule is fitted to it.",
    )
    optimiser: Literal["sgd", "adamw"] = Field(
        "adamw", title="Optimiser", description="The method that changes the weights."
    )
    learning_rate: float = Field(
        1e-3,
        gt=0,
        title="Learning rate",
        description="How much the weights change in a step, at the highest point of the schedule.",
    )
    find_rate: bool = Field(
        False,
        title="Find learning rate",
        description="Find the learning rate before the first step, in 60 trial steps.",
    )
    weight_decay: float = _off_at_zero(
        0.05, "Weight decay", "How strongly weights are pulled towards 0, against overfitting."
    )
    schedule: Literal["cosine", "step", "plateau", "one-cycle"] = Field(
        "cosine",
        title="Schedule",
        description="How the learning rate changes. plateau: halved after 2 evaluations without a better AP; "
        "one-cycle: up, then down.",
    )
    warmup: int = Field(
        500,
        ge=0,
        title="Warm-up",
        json_schema_extra=shown("steps"),
        description="Steps in which the learning rate rises from 0 to its full value.",
    )
    clip: float = Field(
        10.0,
        gt=0,
        title="Gradient limit",
        description="Largest norm of the gradient; larger ones are scaled down to it.",
    )
    ema: float = Field(
        0.999,
        ge=0,
        lt=1,
        title="Weight averaging",
        json_schema_extra=shown(zero="off"),
        description="Decay of the running mean of the weights, which is what is saved; 0 for none.",
    )
    keep: float = Field(
        0.0,
        ge=0,
        lt=1,
        title="Keep start model",
        json_schema_extra=shown(zero="nothing"),
        description="Fraction of the start model's weights in the result, against forgetting; 0 for none.",
    )
    amp: Literal["auto", "off", "bf16", "fp16"] = Field(
        "auto", title="Mixed precision", description="Mixed precision; auto: where the hardware supports it."
    )
    freeze: Literal["none", "stem", "early", "backbone"] = Field(
        "none",
        title="Frozen layers",
        description="Layers that are not trained: the first ones, the first two stages, or the whole backbone.",
    )
    layer_decay: float = Field(
        1.0,
        gt=0,
        le=1,
        title="Layer decay",
        description="Factor on the learning rate from each stage to the one before it; 1 for none.",
    )
    patience: int = Field(
        0,
        ge=0,
        title="Early stopping",
        json_schema_extra=shown(zero="never"),
        description="Stop after this many evaluations without a better AP, from the first that finds a cell on; 0 for never.",
    )
    oversample: float = _off_at_zero(
        0.0,
        "Favour rare categories",
        "How much more often rare categories are sampled; 1 makes all equally frequent.",
        most=1,
    )
    replay: list[Path] = Field(
        default_factory=list,
        title="Earlier data",
        description="Folders like 'data' with images from the model's earlier training, against forgetting.",
    )
    replay_part: float = Field(
        0.25,
        ge=0,
        lt=1,
        title="Part of earlier data",
        description="Fraction of the tiles that come from 'replay', the start model's own data; 0 for none.",
    )
    unlabelled: list[Path] = Field(
        default_factory=list,
        title="Unlabelled images",
        description="Folders of images without annotations: cells of which the start model is certain are taken "
        "for true, low-confidence ones are ignored.",
    )
    unlabelled_part: float = Field(
        0.25, ge=0, lt=1, title="Unlabelled part", description="Fraction of the tiles that come from 'unlabelled'."
    )
    unlabelled_score: float = Field(
        0.75,
        ge=0.2,
        le=1,
        title="Unlabelled score",
        description="Lowest score of the cells in 'unlabelled' that are taken for true.",
    )
    evaluate_every: int = Field(
        1000,
        ge=1,
        title="Evaluate every",
        json_schema_extra=shown("steps"),
        description="Steps between evaluations on the validation images.",
    )
    evaluate_first: bool = Field(
        False, title="Evaluate at start", description="Evaluate the start model too, before the first step."
    )
    compare: bool = Field(
        False,
        title="Compare at end",
        description="At the end, compare the new model with the start model on the held-out images.",
    )
    seed: int = Field(
        0, ge=0, title="Random seed", description="Start of the random numbers; the same seed repeats a training."
    )
    workers: int = Field(1, ge=0, title="Tile processes", description="Processes that prepare tiles.")
    images_in_memory_mb: float = Field(
        1000,
        ge=0,
        title="Images in memory",
        json_schema_extra=shown("MB"),
        description="Decoded images and cells stay in memory up to this size; of the others, tiles are read from the run folder.",
    )
    device: str = Field("auto", title="Device", description="Processor that trains: auto, cpu, cuda, cuda:1, ...")
    tensorboard: bool = Field(
        False, title="TensorBoard", description="Write TensorBoard event files into the run folder."
    )
    resume: bool = Field(False, title="Resume", description="Continue from the last checkpoint in the run folder.")

    @field_validator("out")
    @classmethod
    def _named(cls, value: Path) -> Path:
        """The folder with a name, which the model gets: the current folder is `.` and has none."""
        return value if value.name not in ("", "..") else value.resolve()


class ClassifierSettings(Settings):
    """A classifier of single cells, from the channels and the mask in a square around each.

    The defaults are those of the classifier in `live-dead`, choices that were not compared with others; docs/benchmarks.md,
    "Viability", measures what they give.
    """

    in_channels: int = Field(1, ge=1, le=64, description="Channels of the input image.")
    categories: list[str] = Field(["living", "dead"], min_length=2, description="Names of the categories, in order.")
    side: int = Field(
        32, ge=16, le=128, multiple_of=8, description="Side of the squares that the network sees, in its pixels."
    )
    context: float = Field(1.6, ge=1, le=4, description="Side of a square, relative to the cell's longer side.")
    width: int = Field(8, ge=4, le=128, description="Channels of the first level; doubled at each of three.")
    dropout: float = Field(0.2, ge=0, lt=1, description="Fraction of the features dropped in training.")
    scaling: Literal["percentile", "background"] = Field(
        "percentile",
        description="background: intensities relative to the image's median, for transmitted light with an even field.",
    )


class ClassifierTraining(Settings):
    """Training settings of a classifier of cells.

    `batch`, `learning_rate` and `weight_decay` are those of the classifier in `live-dead`, choices; docs/benchmarks.md, "Measures
    against imbalance", compares weights, focal loss and oversampling, none of which is on.
    """

    data: list[Path] = Field(
        ...,
        description="Folders with images/ and annotations_train.json, annotations_val.json; projects, or training data of other "
        "tools.",
    )
    out: Path = Field(..., description="The model to write: NAME.classifier.onnx.")
    model: ClassifierSettings = Field(default_factory=ClassifierSettings)
    epochs: int = Field(60, ge=1, description="Number of passes over the training cells.")
    batch: int = Field(64, ge=2, description="Cells per step.")
    learning_rate: float = Field(3e-3, gt=0)
    weight_decay: float = Field(0.05, ge=0)
    class_weights: Literal["none", "balanced"] = Field("none", description="balanced: rare categories weigh more.")
    focal_gamma: float = Field(
        0.0, ge=0, le=10, description="Focal loss: cells that are already right count less; 0 for none."
    )
    oversample: float = Field(
        0.0, ge=0, le=1, description="How much more often rare categories are sampled; 1 makes all equally frequent."
    )
    augment: bool = Field(True, description="Rotate, mirror, shift and scale the cells, and change their brightness.")
    seed: int = Field(0, ge=0)
