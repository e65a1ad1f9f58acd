"""The record of a family of networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from napari_centermask.settings import NetworkSettings, TrainSettings

Shapes = dict[str, tuple[int, ...]]
"""Parameter name -> shape."""


def suits_every_run(settings: TrainSettings) -> None:
    """For families whose new networks can be trained with any settings."""


@dataclass(frozen=True)
class Family:
    """Everything that differs between families of networks.

    Parts from higher layers are dotted names, "module:name" or "module", that `load` imports on first use, so that torch is only
    imported where it is used, and layers still only import downwards.

    Attributes
    ----------
    name
        Its name in cards (`kind`), settings (`family`) and files.
    title
        For people: "CenterMask".
    settings
        The settings class of its networks.
    graphs
        Names of its ONNX graphs; each is a file NAME.<graph>.onnx, and a model has all of them or none. Empty if it cannot be
        exported: then it runs with torch alone, in napari in a process of its own.
    overlaps
        Whether its cells may overlap.
    has_class_maps
        Whether it predicts the category of each pixel.
    tunes_score
        Whether training chooses the score from which cells count, for the card.
    first_category
        Index of the first category along tensor axes with an entry for each category: 1 if the background comes first.
    segments_with
        Fields of `SegmentSettings` that this family uses and others do not.
    trains_with
        Groups of `TrainSettings` that this family uses and others do not.
    check
        Raises ValueError if settings do not describe a network.
    shapes, strange_keys
        Shapes of the parameters that the settings determine, and names of parameters that cannot exist.
    graph_sizes
        Inputs and outputs of the graphs whose size the settings determine: name -> (axis, size).
    idle
        Fields of the network's settings and of `trains_with` without effect, such as "losses.focal_gamma" -> why.
    network
        (settings) -> torch.nn.Module.
    engines
        Engine of each runtime, by the runtime's name: (graphs..., card) or for torch (network, card).
    detector
        A `pipeline.detector.Detector`: (engine, settings).
    training
        A `training.data.parts.TrainingParts`.
    exporter
        A module with `write`, (network, paths of the graphs by name, card, opset) -> opset, and `check`, (network, paths,
        tiles) -> `deploy.parity.Parity`; empty without graphs.
    new
        Form of a new network for data: (channels, categories, diameter of the cells in its pixels) -> settings; None if none
        is made here.
    new_fields
        Heading -> fields of that form that a window shows.
    check_new
        Raises `BadSettings` if a new network does not suit its own training.
    extras
        Extras beside `train` that training it may need.
    compression
        A module with what pruning and distillation need: `traced`, `predictors`, `note_width`, `why_not`, `adapter` and
        `losses`, as `deploy.compress.unet` has them; empty if there is none.
    """

    name: str
    title: str
    settings: type[NetworkSettings]
    graphs: tuple[str, ...]
    overlaps: bool
    has_class_maps: bool
    tunes_score: bool
    first_category: int
    segments_with: tuple[str, ...]
    trains_with: tuple[str, ...]
    check: Callable[[Any], None]
    shapes: Callable[[Any], Shapes]
    strange_keys: Callable[[Any], list[str]]
    graph_sizes: Callable[[Any], dict[str, tuple[int, int]]]
    idle: Callable[[TrainSettings], dict[str, str]]
    network: str
    engines: Mapping[str, str]
    detector: str
    training: str
    exporter: str
    compression: str = ""
    new: Callable[[int, Sequence[str], float], NetworkSettings] | None = None
    new_fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    check_new: Callable[[TrainSettings], None] = suits_every_run
    extras: tuple[str, ...] = ()

    @staticmethod
    def load(name: str) -> Any:
        """Import the object that a dotted name of the record refers to."""
        module, _, attribute = name.partition(":")
        return getattr(import_module(module), attribute) if attribute else import_module(module)
