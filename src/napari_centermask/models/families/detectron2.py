"""Models of detectron2 that find boxes and then masks in them; its own packages run them, if they are installed."""

from __future__ import annotations

from napari_centermask.models.families.family import Family, Shapes
from napari_centermask.settings import Detectron2Settings, TrainSettings


def _check(model: Detectron2Settings) -> None:
    """Only detectron2 can tell, when the network is built."""


def _shapes(model: Detectron2Settings) -> Shapes:
    """As above: the weights are compared when they are loaded."""
    return {}


def _strange_keys(model: Detectron2Settings) -> list[str]:
    return []


def _no_graphs(model: Detectron2Settings) -> dict[str, tuple[int, int]]:
    return {}


def _idle(settings: TrainSettings) -> dict[str, str]:
    return {}


_BRIDGE = "napari_centermask.detectron2"
DETECTRON2 = Family(
    name="detectron2",
    title="detectron2 model",
    settings=Detectron2Settings,
    graphs=(),
    overlaps=True,
    has_class_maps=False,
    tunes_score=True,
    first_category=0,
    segments_with=("nms", "max_detections"),
    trains_with=(),
    check=_check,
    shapes=_shapes,
    strange_keys=_strange_keys,
    graph_sizes=_no_graphs,
    idle=_idle,
    network=f"{_BRIDGE}.network:Detectron2Network",
    engines={"torch": f"{_BRIDGE}.engine:Detectron2Engine"},
    detector="napari_centermask.pipeline.region_detections:RegionDetector",
    training=f"{_BRIDGE}.training:PARTS",
    exporter="",
)
