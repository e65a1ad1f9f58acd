"""Models of a registry of their own, and what the list of the dock shows of them."""

from __future__ import annotations

import json
from pathlib import Path

from napari_centermask.core.errors import BadModel
from napari_centermask.models.store.card import ModelCard
from napari_centermask.settings import ModelSettings

DETAILS = {
    "boundary": {"iou_matched": 0.71, "bioimage_ap": {"0.50": 0.9}, "bioimage_ap_mean": 0.44},
    "class_map": {"miou": 0.81, "pixel_accuracy": 0.97, "dice": 0.89, "per_class": {"cell": {"iou": 0.8}}},
    "area_ratio": 0.92,
    "border": {
        "cut": {"n": 4, "recall50": 0.5, "mean_iou": 0.35},
        "inside": {"n": 0, "recall50": None, "mean_iou": None},
    },
}
"""Figures as `evaluate` measures them, in groups."""


def card(name: str, parent: str | None = None, *, description: str = "Finds cells.") -> ModelCard:
    training = {
        "steps": 1200,
        "minutes": 9.5,
        "machine": "cpu, 2 threads",
        "data": {"mine": {"train": "0123456789abcdef"}},
        "learned": {"0123456789abcdef": [[0, 0, 64, 80]], "fedcba9876543210": [[0, 0, 64, 40]]},
        "curves": [{"step": s, "loss": 1 / s, "seconds": 3 * s} for s in (10, 20)]
        + [{"step": 20, "AP": 0.4, "AP50": 0.6, "training_seconds": 60.0}],
    }
    return ModelCard(
        name=name,
        licence="CC0-1.0",
        model=ModelSettings(categories=["cell"], top_levels=0),
        diameter=20.0,
        parent=parent,
        training=training,
        metrics={
            "val": {"AP": 0.4, "AP50": 0.6, "boundary_iou": 0.55, "miou": 0.8},
            "test": {"fields": {"bioimage_ap_mean": 0.512, "n": 3, "coco": {"AP": 0.3}} | DETAILS},
        },
        limits=["Not for <tissue>."],
        description=description,
        created="2026-01-02",
    )


def install(home: Path, name: str, parent: str | None = None, **fields: str) -> None:
    """A model of graphs; the files hold nothing but their card, which is all that a list needs."""
    folder = home / "models" / name
    folder.mkdir(parents=True)
    for kind in ("dense", "roi"):
        (folder / f"{name}.{kind}.onnx").write_bytes(
            json.dumps([kind, card(name, parent, **fields).model_dump()]).encode()
        )


def read_card(path: Path) -> ModelCard:
    try:
        return ModelCard(**json.loads(path.read_text())[1])
    except FileNotFoundError:
        raise BadModel(f"{path} does not exist.") from None


def names(dock) -> list[str]:
    tree = dock.list.tree
    return [f"{tree.topLevelItem(i).text(0)} {tree.topLevelItem(i).text(2)}" for i in range(tree.topLevelItemCount())]


def choose(dock, name: str, place: str = "") -> None:
    tree = dock.list.tree
    items = [tree.topLevelItem(i) for i in range(tree.topLevelItemCount())]
    tree.setCurrentItem(next(i for i in items if i.text(0) == name and i.text(2).startswith(place)))


def described(dock) -> dict[str, str]:
    """The description of each model that is offered."""
    return {entry.model.name: entry.model.card.description for entry in dock.inventory.entries}
