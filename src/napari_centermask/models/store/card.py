"""The model card: what a model is, what it expects, what it was trained on. It is stored inside the model's files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from napari_centermask.core.errors import BadModel
from napari_centermask.core.image_kind import KINDS, Kind
from napari_centermask.core.normalise import RANGE
from napari_centermask.core.size_levels import SizeLevel
from napari_centermask.models.families import FAMILIES, Shapes, family_of
from napari_centermask.settings import AnyModel, PreprocessSettings

if TYPE_CHECKING:
    from napari_centermask.io.trained_on import TrainedOn


LARGEST_DIAMETER = 10_000.0  # pixels; larger cells do not occur
IMAGES_OF: dict[str, Kind] = {
    "dsb2018_fluo": "fluorescence",
    "bbbc039_fluo16": "fluorescence",
    "aits_nuclei": "fluorescence",
    "dsb_overlap_composite": "fluorescence",
    "mnfinder_nuclei": "fluorescence",
    "sbsst265_neuroblastoma": "fluorescence",
    "dsb2018_histo": "stained",
    "dsb2018_brightfield": "transmitted",
    "ldc_livedead": "transmitted",
    "usiigaci_phase": "transmitted",
    "yeastvision_phase": "transmitted",
    "cellsium_bacteria_synth": "transmitted",
    "pfc_neuron_brightfield": "transmitted",
}
"""The kind of images in public data sets, for cards from before kinds were noted: they name their data."""


class ModelCard(BaseModel):
    """What a reader of the model file must know.

    Raises
    ------
    pydantic.ValidationError
        If a value is missing, unknown or out of range; `from_json` turns it into `BadModel`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=100)
    kind: str = Field("centermask", description="The family of `model`; follows it.")
    licence: str = Field(min_length=1, description="SPDX name of the weights' licence, or its text.")
    model: AnyModel
    diameter: float = Field(
        gt=0, le=LARGEST_DIAMETER, allow_inf_nan=False, description="Cell diameter in pixels that it was trained on."
    )
    percentiles: tuple[float, float] = Field(RANGE, description="Intensities mapped to 0 and 1.")
    normalisation: Literal["percentile", "zscore", "reference"] = Field(
        "percentile",
        description="zscore: z-scores of -1 and 3 become 0 and 1; reference: BGR in 0..255 as detectron2 reads it; "
        "mean and std apply to all.",
    )
    preprocess: PreprocessSettings = Field(
        default_factory=PreprocessSettings, description="Done to the intensities before they are normalised."
    )
    channel_names: list[str] = Field(default_factory=list, description="Names of the input channels, in order.")
    mean: list[float] = Field([0.0], description="Subtracted after normalisation; one value, or one per channel.")
    std: list[float] = Field([1.0], description="Divides after that; one value or one per channel.")
    temperature: float = Field(
        1.0, gt=0, le=100, description="Temperature of the categories' probabilities, fitted on val."
    )
    defaults: dict[str, Any] = Field(default_factory=dict, description="Default settings of the model: score, nms.")
    training: dict[str, Any] = Field(default_factory=dict, description="Data by hash, settings, seed, curves, time.")
    parent: str | None = Field(None, description="The model it was fine-tuned from.")
    metrics: dict[str, Any] = Field(default_factory=dict, description="Metrics per data set and split.")
    limits: list[str] = Field(default_factory=list, description="What it is not suited for.")
    description: str = ""
    created: str = ""
    version: str = "1"

    @model_validator(mode="before")
    @classmethod
    def _follow(cls, values: object) -> Any:
        """The kind is that of the network if it is missing."""
        if not isinstance(values, dict) or "kind" in values:
            return values
        model = values.get("model")
        family = model.get("family") if isinstance(model, dict) else getattr(model, "family", None)
        return values if family is None else {**values, "kind": family}

    @model_validator(mode="after")
    def _check(self) -> ModelCard:
        low, high = self.percentiles
        if not 0 <= low < high <= 100:
            raise ValueError(f"percentiles must rise within 0..100, got {low}, {high}")
        for field in ("mean", "std"):
            if len(getattr(self, field)) not in (1, self.model.in_channels):
                raise ValueError(f"{field} needs 1 or {self.model.in_channels} values, got {len(getattr(self, field))}")
        if min(self.std) <= 0:
            raise ValueError("std must be positive")
        check_names(self.channel_names, self.model.in_channels)
        if self.preprocess.flat_field is not None:
            raise ValueError("preprocess.flat_field belongs to a microscope and its images, not to a model")
        if self.kind != self.model.family:
            raise ValueError(f"kind is {self.kind}, the network a {self.model.family}")
        if self.kind not in FAMILIES:
            raise ValueError(f"unknown family {self.kind!r}; known are {', '.join(FAMILIES)}")
        family_of(self).check(self.model)
        return self

    @property
    def strides(self) -> tuple[int, ...]:
        """Pixels between the locations of each level of a CenterMask, finest first; none for other families."""
        return self.model.strides

    @property
    def rates_boxes(self) -> bool:
        """Whether the score of a cell is the root of its class probability times its box's quality, not the former alone."""
        return self.model.rates_boxes

    @property
    def bears_missing(self) -> bool:
        """Whether channels were left out at random in training, so that one may be missing."""
        augment = self.training.get("settings", {}).get("augment", {})
        return float(augment.get("drop_channel", 0)) > 0

    @property
    def trained_on(self) -> TrainedOn:
        """What the model and its parents were trained on; see `io.trained_on`. Leaves out invalid entries of the card."""
        places = self.training.get("learned")
        rows = places.items() if isinstance(places, dict) else ()
        return {key: [b for b in boxes if _is_rectangle(b)] for key, boxes in rows if isinstance(boxes, list)}

    @property
    def diameters(self) -> dict[str, tuple[float, float, float]]:
        """10th, 50th and 90th percentile of the cells' diameters in image pixels, per category, in the images it was trained on.

        Empty for older models; leaves out invalid entries of the card.
        """
        sizes = self.training.get("diameters")
        rows = sizes.items() if isinstance(sizes, dict) else ()
        return {name: (low, middle, high) for name, row in rows if _are_sizes(row) for low, middle, high in [row]}

    @property
    def images(self) -> tuple[Kind, ...]:
        """The kinds of images that the model was trained on; () if the card does not say."""
        kinds, data = self.training.get("images"), self.training.get("data")
        if not isinstance(kinds, list):
            kinds = [IMAGES_OF.get(name) for name in data] if isinstance(data, dict) else []
        return tuple(kind for kind in KINDS if kind in kinds)

    @property
    def levels(self) -> tuple[SizeLevel, ...]:
        """The scales at which the model finds its categories, smallest cells first; () if it finds all of them at one scale.

        Categories in no level belong to the last one. An entry of the card that does not fit its categories is left out.
        """
        rows = self.training.get("levels")
        levels = [_level(row) for row in rows] if isinstance(rows, list) else []
        names = [name for level in levels if level for name in level.categories]
        if None in levels or len(levels) < 2 or len(set(names)) < len(names) or set(names) - set(self.model.categories):
            return ()
        *others, last = sorted((level for level in levels if level), key=lambda level: level.diameter)
        rest = (name for name in self.model.categories if name not in names)
        return (*others, SizeLevel((*last.categories, *rest), last.diameter))

    def to_json(self) -> str:
        """The card as JSON, on one line."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, text: str, *, where: str = "the model card") -> ModelCard:
        """Read a card.

        Parameters
        ----------
        where
            Named in the error message.

        Raises
        ------
        BadModel
            Naming the fields that are missing, unknown or out of range.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'card'}: {e['msg']}" for e in error.errors()[:5])
            raise BadModel(
                f"The model card in {where} is not valid: {faults}. "
                "The file is damaged or from a newer version. Update napari-centermask, or export it again."
            ) from None


def _are_sizes(value: object) -> bool:
    """Whether these are three increasing diameters."""
    if not isinstance(value, list | tuple) or len(value) != 3 or not all(type(v) in (int, float) for v in value):
        return False
    return 0 < value[0] <= value[1] <= value[2] <= LARGEST_DIAMETER


def _level(row: object) -> SizeLevel | None:
    """The level of a row {"categories": names, "diameter": pixels}; None if it is none."""
    if not isinstance(row, dict):
        return None
    names, diameter = row.get("categories"), row.get("diameter")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        return None
    if type(diameter) not in (int, float) or not 0 < diameter <= LARGEST_DIAMETER:
        return None
    return SizeLevel(tuple(names), float(diameter))


def _is_rectangle(value: object) -> bool:
    return isinstance(value, list | tuple) and len(value) == 4 and all(type(v) is int for v in value)


def check_names(names: list[str], n_channels: int) -> None:
    """Raise an error if names do not identify the channels.

    Raises
    ------
    ValueError
        If there are some, but not one for each channel, or two differ only in case.
    """
    if names and len(names) != n_channels:
        raise ValueError(f"channel_names needs {n_channels} names, got {len(names)}: {', '.join(names)}")
    if len({name.strip().casefold() for name in names}) < len(names):
        raise ValueError(f"channel_names must differ, got {', '.join(names)}")


def check_shapes(card: ModelCard, shapes: Shapes, *, where: str) -> None:
    """Compare what a card says with the weights' shapes.

    Every tensor that the card's settings determine is checked; the rest when the weights are loaded.

    Parameters
    ----------
    shapes
        Parameter name -> shape, as in the file's header.

    Raises
    ------
    BadModel
        Naming the first tensors that are missing, superfluous or of another shape.
    """
    family = family_of(card)
    expected = family.shapes(card.model)
    faults = [
        f"{key} should be {shape}, is {shapes.get(key, 'missing')}"
        for key, shape in expected.items()
        if shapes.get(key) != shape
    ]
    faults += [f"{key} should not exist" for key in family.strange_keys(card.model) if key in shapes]
    first = next((s for k, s in shapes.items() if k.startswith("backbone.bottom_up") and _is_first(k)), None)
    if first is not None and first[1:2] != (card.model.in_channels,):
        faults.append(f"the first layer takes {first[1]} channels, the card says {card.model.in_channels}")
    if faults:
        more = f" and {len(faults) - 4} more" if len(faults) > 4 else ""
        raise BadModel(
            f"The card of {where} does not describe its weights: {'; '.join(faults[:4])}{more}. "
            "The file was changed or mixed up. Get it again from its source."
        )


def _is_first(key: str) -> bool:
    """Whether a parameter is the backbone's first convolution, in any of the backbones."""
    return key.endswith(("stem.stem_1/conv.weight", "stem.conv1.weight", "features.0.0.weight"))
