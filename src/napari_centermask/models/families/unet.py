"""U-Nets: maps of background and categories, in which a watershed separates the cells."""

from __future__ import annotations

from collections.abc import Sequence

from napari_centermask.models.families.family import Family, Shapes
from napari_centermask.settings import TrainSettings, UNetSettings


def _check(model: UNetSettings) -> None:
    """All settings are valid here; those that an encoder does not support are refused when the network is built."""


def _shapes(model: UNetSettings) -> Shapes:
    n = len(model.map_names)
    if model.architecture != "plain":
        return {"network.segmentation_head.0.bias": (n,)}
    widths = [model.width * 2**level for level in range(model.depth + 1)]
    inputs = [model.in_channels, *widths]
    shapes: Shapes = {"network.head.weight": (n, model.width, 1, 1)}
    for level, (a, b) in enumerate(zip(inputs, widths, strict=False)):
        shapes[f"network.down.{level}.conv1.weight"] = (b, a, 3, 3)
        shapes[f"network.down.{level}.conv2.weight"] = (b, b, 3, 3)
    for level, width in enumerate(reversed(widths[:-1])):
        shapes[f"network.up.{level}.block.conv1.weight"] = (width, 2 * width, 3, 3)
    return shapes


def _strange_keys(model: UNetSettings) -> list[str]:
    """The level after the last."""
    return [f"network.down.{model.depth + 1}.conv1.weight", f"network.up.{model.depth}.block.conv1.weight"]


def _graph_sizes(model: UNetSettings) -> dict[str, tuple[int, int]]:
    return {"maps": (1, len(model.map_names))}


def _idle(settings: TrainSettings) -> dict[str, str]:
    model, losses = settings.model, settings.losses
    if not isinstance(model, UNetSettings):
        raise TypeError(f"Expected the form of a U-Net, got {type(model).__name__}.")
    reasons: dict[str, str] = {}
    if model.architecture == "plain":
        reasons["model.encoder"] = "the architecture plain has no encoder to choose"
    else:
        reasons["model.norm"] = f"the norm of {model.architecture} is the encoder's own"
    if not losses.focal:
        reasons["losses.focal_gamma"] = "losses.focal is 0"
    if not losses.tversky:
        reasons["losses.tversky_alpha"] = "losses.tversky is 0"
    for name in ("border", "distance"):
        if not getattr(model, name):
            reasons[f"losses.{name}"] = f"model.{name} is off: the network has no such map"
    if not (losses.cross_entropy or losses.focal or losses.dice or losses.tversky):
        reasons["losses.class_weights"] = "none of the losses that weigh classes is on"
    return reasons


def _new(channels: int, categories: Sequence[str], diameter: float) -> UNetSettings:
    return UNetSettings(in_channels=channels, categories=list(categories))


_ENGINES = "napari_centermask.engines"
UNET = Family(
    name="unet",
    title="U-Net",
    settings=UNetSettings,
    graphs=("maps",),
    overlaps=False,
    has_class_maps=True,
    tunes_score=False,
    first_category=1,
    segments_with=("foreground", "seed", "smoothing", "flips"),
    trains_with=("losses",),
    check=_check,
    shapes=_shapes,
    strange_keys=_strange_keys,
    graph_sizes=_graph_sizes,
    idle=_idle,
    network="napari_centermask.models.nets.build:MapModel",
    engines={
        "onnx": f"{_ENGINES}.onnx:OnnxMapEngine",
        "openvino": f"{_ENGINES}.openvino:OpenVinoMapEngine",
        "tensorrt": f"{_ENGINES}.tensorrt:TensorRtMapEngine",
        "torch": f"{_ENGINES}.torch:TorchMapEngine",
    },
    detector="napari_centermask.pipeline.map_detector:MapDetector",
    training="napari_centermask.training.families.unet:PARTS",
    exporter="napari_centermask.deploy.export_unet",
    compression="napari_centermask.deploy.compress.unet",
    new=_new,
    extras=("unet",),
)
