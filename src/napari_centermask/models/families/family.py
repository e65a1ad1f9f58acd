"""What a family of networks is to the rest of the program."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from napari_centermask.settings import NetworkSettings, TrainSettings

Shapes = dict[str, tuple[int, ...]]
"""Parameter name -> shape."""


@dataclass(frozen=True)
class Family:
    """All that differs between families of networks.

    Parts that need more than this layer are dotted names, "module:name", that `load` imports on first use: torch is
    imported only where it is used, and layers still import downwards only.

    Attributes
    ----------
    name
        In cards (`kind`), settings (`family`) and files.
    title
        For people: "CenterMask".
    settings
        The class of the form of its networks.
    graphs
        Names of its ONNX graphs; each is a file NAME.<graph>.onnx, and a model has all of them or none.
    overlaps
        Whether its cells may overlap.
    has_class_maps
        Whether it tells the category of each pixel.
    tunes_score
        Whether training chooses the score from which cells count, for the card.
    first_category
        Place of the first category along the axis of a tensor that has a part for each: 1 where the background is before.
    segments_with
        Fields of `SegmentSettings` that not all families use, and this one does.
    trains_with
        Groups of `TrainSettings` that not all families use, and this one does.
    check
        Raises ValueError where a form describes no network.
    shapes, strange_keys
        Shapes of the parameters that a form determines, and names of parameters that it cannot have.
    graph_sizes
        Inputs and outputs of the graphs whose size a form determines: name -> (axis, size).
    idle
        Fields of training settings without effect, such as "losses.focal_gamma" -> why, of the form and of `trains_with`.
    network
        (form) -> torch.nn.Module.
    engines
        Engine of each runtime, by the runtime's name: (graphs..., card) or for torch (network, card).
    detector
        A `pipeline.detector.Detector`: (engine, settings).
    training
        A `training.data.parts.TrainingParts`.
    exporter
        (network, paths of the graphs by name, card) -> `deploy.graphs.Parity`.
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

    @staticmethod
    def load(name: str) -> Any:
        """Import what a dotted name of the record stands for."""
        module, _, attribute = name.partition(":")
        return getattr(import_module(module), attribute)
