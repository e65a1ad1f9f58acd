"""Models of detectron2 as models of ours: a .yaml and a .pkl or .pth become one file with a card."""

from __future__ import annotations

from pathlib import Path

from napari_centermask.core.errors import BadModel
from napari_centermask.detectron2.config import load_config
from napari_centermask.detectron2.network import Detectron2Network
from napari_centermask.models.store.card import ModelCard
from napari_centermask.models.store.checkpoint import State, load_state
from napari_centermask.models.store.other_weights import PUBLISHERS_LICENCE
from napari_centermask.models.store.pickles import read_state
from napari_centermask.models.store.reference import PHOTOGRAPH_DIAMETER, name_from
from napari_centermask.settings import Detectron2Settings


def read_model(
    config: Path,
    weights: Path,
    *,
    categories: list[str] | None = None,
    diameter: float = PHOTOGRAPH_DIAMETER,
    licence: str = PUBLISHERS_LICENCE,
) -> tuple[Detectron2Network, ModelCard]:
    """A model of detectron2 from its configuration and its weights; nothing in either is executed.

    Parameters
    ----------
    config
        A .yaml of detectron2's or CenterMask2's.
    weights
        A .pkl of the zoo or a .pth of its trainer.
    categories
        Names in the order of the model's; by default "class 1" and so on.
    diameter
        Diameter of cells in pixels that it was trained on.
    licence
        Of the weights.

    Raises
    ------
    MissingExtra
        Without detectron2.
    BadModel
        If a file cannot be read, or they do not belong together.
    """
    config, weights = Path(config), Path(weights)
    cfg = load_config(config)
    cfg.MODEL.WEIGHTS = ""
    cfg.MODEL.DEVICE = "cpu"
    is_fcos = cfg.MODEL.PROPOSAL_GENERATOR.NAME == "FCOS"
    n = cfg.MODEL.FCOS.NUM_CLASSES if is_fcos else cfg.MODEL.ROI_HEADS.NUM_CLASSES
    names = categories or [f"class {number}" for number in range(1, n + 1)]
    if len(names) != n:
        raise BadModel(f"{config.name} has {n} categories, but {len(names)} names were given: {', '.join(names)}.")
    channels = len(cfg.MODEL.PIXEL_MEAN)
    settings = Detectron2Settings(config=cfg.dump(), in_channels=channels, categories=names)
    network = Detectron2Network(settings).eval()
    load_state(network, _of_network(read_state(weights), network), where=weights.name)
    card = ModelCard(
        name=name_from(config, otherwise="detectron2"),
        licence=licence,
        model=settings,
        diameter=diameter,
        normalisation="reference",
        mean=list(cfg.MODEL.PIXEL_MEAN),
        std=list(cfg.MODEL.PIXEL_STD),
        description=f"{cfg.MODEL.META_ARCHITECTURE} of detectron2, from {config.name} and {weights.name}.",
        limits=["It runs with detectron2 alone."],
    )
    return network, card


def _of_network(state: State, network: Detectron2Network) -> State:
    """Without what the network leaves out, such as a head for semantic segmentation; anchors were stored in older files."""
    own = network.state_dict()
    parts = {name.partition(".")[0] for name in own}
    return {
        name: value
        for name, value in state.items()
        if name.partition(".")[0] in parts and "anchor_generator" not in name and "keypoint_head" not in name
    }
