"""A third family is a form, a record and its network: everything else here is code that knows nothing of it."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import nn
from torch.nn import functional

from napari_centermask.core.errors import BadSettings
from napari_centermask.core.instances import Instance
from napari_centermask.core.tiles import Piece, cut, owned
from napari_centermask.deploy.export import export
from napari_centermask.deploy.graph_file import any_size, write_graph
from napari_centermask.deploy.parity import SHAPES, Parity, open_session
from napari_centermask.engines.load import load_engine
from napari_centermask.engines.onnx import open_session as open_graph
from napari_centermask.models.families import FAMILIES, Family
from napari_centermask.models.idle_settings import idle_in_segmentation, refuse_idle
from napari_centermask.models.store.checkpoint import load_model
from napari_centermask.models.store.zoo import add_model, find_model
from napari_centermask.pipeline import segment
from napari_centermask.settings import NETWORKS, NetworkSettings, SegmentSettings, TrainSettings
from napari_centermask.training.data.parts import HEADS, TrainBatch
from napari_centermask.training.run.loop import train


class SpotSettings(NetworkSettings):
    """The form: how wide."""

    family: Literal["spots"] = "spots"
    in_channels: int = 1
    width: int = 8


class SpotNet(nn.Module):
    """(B, C, H, W) -> (B, 1, H, W) how likely each pixel is foreground, raw."""

    def __init__(self, settings):
        super().__init__()
        self.settings = settings
        self.first = nn.Conv2d(settings.in_channels, settings.width, 3, padding=1)
        self.last = nn.Conv2d(settings.width, 1, 3, padding=1)

    def forward(self, image):
        return self.last(self.first(image).relu())


class Glow(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, image):
        return self.model(image).sigmoid()


class TorchSpots:
    name = "torch"

    def __init__(self, model, card, *, device="cpu", precision="float32", batch=1):
        self.card, self.device, self._model = card, device, model.eval()
        self.precision, self.batch = precision, batch

    @torch.inference_mode()
    def glow(self, tiles):
        return self._model(torch.from_numpy(tiles)).sigmoid().numpy()


class OnnxSpots:
    name = "onnx"

    def __init__(self, graph, card, *, device="auto", threads=None, precision="float32", batch=1):
        self.card, self.precision, self.batch = card, precision, batch
        self._graph, self.device = open_graph(graph, device, threads)

    def glow(self, tiles):
        return self._graph.run(["glow"], {"image": tiles})[0]


class SpotDetector:
    """Connected parts of the foreground, at the image's own scale."""

    def __init__(self, engine, settings):
        self._engine, self._settings = engine, settings

    def _parts(self, scaled, window):
        labels, _ = ndimage.label(self._engine.glow(scaled.read(window))[0, 0] > 0.5)
        boxes = [(x.start, y.start, x.stop, y.stop) for y, x in ndimage.find_objects(labels)]
        return labels, np.array(boxes, float).reshape(-1, 4)

    def pieces(self, scaled, tiles, score):
        return [piece for tile in tiles for piece in self._pieces_of(scaled, tile)]

    def _pieces_of(self, scaled, tile):
        labels, boxes = self._parts(scaled, tile.box)
        whole = boxes + np.array([tile.box[1], tile.box[0]] * 2)
        is_cut, kept = cut(whole, tile, scaled.shape), []
        for k in np.flatnonzero(owned(whole, tile)):
            x0, y0, x1, y1 = boxes[k].astype(int)
            place = tile.box[0] + y0, tile.box[1] + x0, labels[y0:y1, x0:x1] == k + 1
            cell = Instance(0, *place, category=1, score=1.0, source=self._engine.card.name)
            kept.append(Piece(cell, tile.box, bool(is_cut[k])))
        return kept

    def sizes(self, scaled, window, *, by_masks):
        labels, boxes = self._parts(scaled, window)
        diameters = 2 * np.sqrt(np.bincount(labels.ravel(), minlength=1 + len(boxes))[1:] / np.pi)
        middles = (boxes[:, :2] + boxes[:, 2:]) / 2
        return diameters, np.ones(len(boxes)), middles, np.zeros(len(boxes), np.int64)

    def prompts(self, scaled, window):
        raise NotImplementedError

    def class_maps(self, scaled, window):
        raise NotImplementedError


class SpotParts:
    def target(self, tile):
        return tile.image, tile.masks.any(axis=0, keepdims=True).astype(np.float32)

    def collate(self, targets):
        images, truths = (torch.from_numpy(np.stack(part)) for part in zip(*targets, strict=True))
        return TrainBatch(images, truths)

    def losses(self, model, images, truths, settings, *, class_weights):
        return {"loss_glow": functional.binary_cross_entropy_with_logits(model(images), truths)}

    def class_weights(self, settings):
        return None

    def most_cells(self, truths):
        return 0

    def synthetic(self, settings, batch, tile, *, most_cells):
        return torch.rand(batch, 1, tile, tile)

    def depth_of(self, name):
        return 0 if name.startswith("first") else HEADS


PARTS = SpotParts()


def write(model, paths: Mapping, card, opset):
    example = (torch.randn(2, 1, 64, 96),)
    return write_graph(Glow(model), example, paths["glow"], card, ["image"], ["glow"], any_size(32), opset=opset)


def check(model, paths: Mapping, tiles):
    session, parity = open_session(paths["glow"]), Parity()
    for x in [*(np.random.default_rng(0).random((b, 1, h, w), np.float32) for b, h, w in SHAPES), *tiles]:
        with torch.no_grad():
            parity.compare(["glow"], [Glow(model)(torch.from_numpy(x))], session.run(["glow"], {"image": x}))
    return parity.accept()


SPOTS = Family(
    name="spots",
    title="spot finder",
    settings=SpotSettings,
    graphs=("glow",),
    overlaps=False,
    has_class_maps=False,
    tunes_score=False,
    first_category=0,
    segments_with=(),
    trains_with=(),
    check=lambda model: None,
    shapes=lambda model: {"first.weight": (model.width, model.in_channels, 3, 3)},
    strange_keys=lambda model: ["second.weight"],
    graph_sizes=lambda model: {"glow": (1, 1)},
    idle=lambda settings: {},
    network=f"{__name__}:SpotNet",
    engines={"torch": f"{__name__}:TorchSpots", "onnx": f"{__name__}:OnnxSpots"},
    detector=f"{__name__}:SpotDetector",
    training=f"{__name__}:PARTS",
    exporter=__name__,
)


@pytest.fixture
def spots(settings, monkeypatch, tmp_path):
    """Settings of a short run of a family that is entered for this test."""
    monkeypatch.setitem(FAMILIES, "spots", SPOTS)
    monkeypatch.setitem(NETWORKS, "spots", SpotSettings)
    monkeypatch.setenv("NAPARI_CENTERMASK_HOME", str(tmp_path / "home"))
    plain = dict.fromkeys(("intensity", "gradient", "blur", "noise", "copy_paste"), 0)
    rest = settings.model_dump(exclude={"model"}) | {"steps": 50, "evaluate_every": 50, "learning_rate": 0.1, "ema": 0}
    rest |= {"augment": plain}
    return TrainSettings.model_validate(rest | {"model": {"family": "spots", "width": 4}})


@pytest.fixture
def trained(spots):
    return list(train(spots)), spots.out / "best.safetensors"


def bright(folder):
    from napari_centermask.io.images import read_plane

    return np.asarray(read_plane(folder / "images" / "val_3.png"))


def test_a_third_family_is_trained_kept_exported_and_used(trained, spots, tmp_path):
    _, path = trained
    model, card = load_model(path)
    assert isinstance(model, SpotNet)
    assert (card.kind, card.model.width) == ("spots", 4)
    assert TrainSettings.model_validate_json((spots.out / "run.json").read_text()).model == card.model
    export(model, card, spots.out, name="best", images={})  # its detector knows one scale only
    files = add_model(path, "mine")
    assert [p.name for p in files.paths] == ["mine.safetensors", "mine.glow.onnx"]
    image = bright(spots.data[0])
    instances = [
        segment(image, load_engine(find_model("mine"), engine=name), SegmentSettings(diameter=28.0))
        for name in ("torch", "onnx")
    ]
    assert [len(cells) for cells in instances] == [10, 10]
    assert all((a.mask == b.mask).all() for a, b in zip(*instances, strict=True))


def test_its_model_is_trained_further_for_other_categories(trained, spots):
    again = spots.model_copy(update={"start": str(trained[1]), "out": spots.out.parent / "next", "steps": 1})
    assert list(train(again, evaluate=lambda *_: {"AP": 0.0}))
    assert load_model(again.out / "best.safetensors")[1].parent == spots.out.name


def test_settings_of_the_other_families_are_refused(trained):
    card = find_model(trained[1]).card
    for values in ({"flips": True}, {"nms": 0.2}):
        settings = SegmentSettings(**values)
        with pytest.raises(BadSettings, match="is a spot finder"):
            refuse_idle(settings, idle_in_segmentation(settings, card))
