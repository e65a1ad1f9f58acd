import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import tifffile
import torch
from PIL import Image

from napari_centermask.core.errors import BadSettings
from napari_centermask.deploy import (
    export,
    export_centermask,
    graph_file,
    graph_texts,
    one_graph,
    parity,
    whole_detector,
)
from napari_centermask.deploy.real_images import network_input
from napari_centermask.engines.decode import candidates
from napari_centermask.engines.graphs import CARD_KEY
from napari_centermask.engines.onnx import OnnxEngine
from napari_centermask.engines.openvino import OpenVinoEngine
from napari_centermask.engines.torch import TorchEngine
from napari_centermask.models.nets.centermask import CenterMask
from napari_centermask.models.store import zoo
from napari_centermask.models.store.card import ModelCard
from napari_centermask.pipeline import segment
from napari_centermask.settings import ModelSettings, PreprocessSettings, SegmentSettings

ROOT = Path(__file__).parents[2]
SMALL = {"backbone": "V-19-slim-dw-eSE", "fpn_channels": 32, "head_convs": 1, "mask_channels": 32, "mask_convs": 1}


@pytest.fixture(scope="module", params=[(3, 14, "centerness", None), (2, 10, "none", 64)], ids=["stride 8", "stride 4"])
def exported(tmp_path_factory, request):
    """A small network with two categories and the reference's parts, its card, its folder and the parity."""
    torch.manual_seed(0)
    changes = dict(zip(("first_level", "roi_size", "box_quality", "head_channels"), request.param, strict=True))
    form = ModelSettings(**SMALL, **changes, categories=["a", "b"], maskiou_channels=16, maskiou_fc=16, maskiou_convs=1)
    model = CenterMask(form).eval()
    card = ModelCard(name="small", licence="BSD-3-Clause", model=form, diameter=40.0)
    folder = tmp_path_factory.mktemp("export")
    return model, card, folder, export.export(model, card, folder)


def test_graphs_agree_with_torch_and_carry_the_card(exported):
    _, card, folder, found = exported
    assert max(found.differences.values()) <= 1e-4
    assert (found.opset, len(found.images)) == (20, 3)
    for kind in ("dense", "roi"):
        properties = {p.key: p.value for p in onnx.load(folder / f"small.{kind}.onnx").metadata_props}
        assert ModelCard.from_json(properties[CARD_KEY]) == card
    assert not list(folder.glob("*.part"))


def test_a_network_with_a_stem_of_stride_2_is_exported(tmp_path):
    torch.manual_seed(0)
    form = ModelSettings(**SMALL, stem_stride=2, first_level=2, roi_size=10, maskiou=False)
    card = ModelCard(name="small", licence="BSD-3-Clause", model=form, diameter=40.0)
    found = export.export(CenterMask(form).eval(), card, tmp_path)
    assert max(found.differences.values()) <= 1e-4


@pytest.mark.parametrize("make", [OnnxEngine, OpenVinoEngine])
def test_every_engine_gives_what_torch_gives(exported, make):
    model, card, folder, _ = exported
    ours = make(folder / "small.dense.onnx", folder / "small.roi.onnx", card, device="cpu")
    reference = TorchEngine(model, card)
    rng = np.random.default_rng(0)
    tiles = rng.normal(0.3, 0.4, (2, 3, 96, 160)).astype(np.float32)
    a, b = reference.features(tiles), ours.features(tiles)
    for name in ("logits", "ltrb", "centerness"):
        np.testing.assert_allclose(getattr(b, name), getattr(a, name), atol=2e-2 if name == "ltrb" else 1e-3)
    boxes = np.array([[3, 4, 40, 60], [-5, 10, 30, 90], [0, 0, 160, 96]], np.float32)
    classes = np.array([0, 1, 1])
    for index in (0, 1):
        masks, quality = reference.masks(a, boxes, classes, index=index)
        own_masks, own_quality = ours.masks(b, boxes, classes, index=index)
        np.testing.assert_allclose(own_masks, masks, atol=1e-3)
        np.testing.assert_allclose(own_quality, quality, atol=1e-3)
    empty = ours.masks(b, np.zeros((0, 4), np.float32), np.zeros(0, np.int64))
    side = 2 * card.model.roi_size
    assert [part.shape for part in empty] == [(0, side, side), (0,)]


def test_graphs_name_no_path_of_the_machine(exported):
    _, _, folder, _ = exported
    for kind in ("dense", "roi"):
        content = (folder / f"small.{kind}.onnx").read_bytes()
        assert b".py" not in content
        assert b"stack_trace" not in content


def test_graphs_that_disagree_are_refused_and_nothing_is_written(exported, tmp_path, monkeypatch):
    model, card, folder, _ = exported

    def written_before(_module, _example, path, *_, opset):
        kind = "dense" if "dense" in path.name else "roi"
        path.write_bytes((folder / f"small.{kind}.onnx").read_bytes())
        return opset

    monkeypatch.setattr(export_centermask, "write_graph", written_before)  # writing both again takes 10 s
    monkeypatch.setattr(parity, "TOLERANCE", -1.0)
    with pytest.raises(parity.ParityError, match="differs from torch"):
        export.export(model, card, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def detector(exported, tmp_path):
    """The exported graphs joined, with a card whose lowest score leaves some cells in noise; model, card and file."""
    model, card, folder, _ = exported
    image = np.random.default_rng(0).random((3, 97, 131), np.float32)
    features = TorchEngine(model, card).features(network_input(image, card))
    scores = np.sort(candidates(features, card, score=0.0)[1])
    card = card.model_copy(update={"defaults": {"score": float(scores[-60:-58].mean()), "nms": 0.5}})
    path = tmp_path / "small.detector.onnx"
    one_graph.join(folder / "small.dense.onnx", folder / "small.roi.onnx", path, card)
    graph_file.check_file(path)
    return model, card, path, image


def test_one_graph_finds_what_torch_finds(detector):
    model, card, path, image = detector
    (found,) = whole_detector.compare_detector(model, card, path, {"noise": image})
    assert 5 < found.cells < 60
    assert found.iou >= 0.999
    assert found.score <= 1e-5


def test_one_graph_takes_several_images_and_thresholds_at_run_time(detector):
    _, card, path, image = detector
    session = parity.open_session(path)
    assert [i.name for i in session.get_inputs()] == ["image"]
    optional = [i.name for i in session.get_overridable_initializers()]
    assert sorted(optional) == ["max_detections", "nms", "score"]
    assert [o.name for o in session.get_outputs()] == list(one_graph.OUTPUTS)
    alone = session.run(None, {"image": image[None]})
    both = session.run(None, {"image": np.stack([image, image])})
    n = len(alone[0])
    assert both[5].tolist() == [0] * n + [1] * n
    np.testing.assert_allclose(both[0], np.concatenate([alone[0], alone[0]]), atol=1e-3)
    few = session.run(None, {"image": image[None], "max_detections": np.array(5)})
    assert len(few[0]) < min(6, n)
    pixel = session.run(None, {"image": np.zeros((1, 3, 1, 1), np.float32), "score": np.array(1, np.float32)})
    side = 2 * card.model.roi_size
    assert [output.shape for output in pixel[:4]] == [(0, 4), (0,), (0,), (0, side, side)]


@pytest.mark.parametrize(
    "changes",
    [{"normalisation": "zscore", "mean": [0.1], "std": [0.5]}, {"normalisation": "reference", "mean": [1.0, 2.0, 3.0]}],
    ids=["z-scores", "reference"],
)
def test_one_graph_normalises_as_the_card_says(exported, tmp_path, changes):
    _, card, _, _ = exported
    card = card.model_copy(update=changes)
    image = np.random.default_rng(0).integers(0, 256, (3, 37, 70), np.uint8)
    header = '<ir_version: 10, opset_import: ["" : 20]>'
    graph = onnx.parser.parse_model(header + graph_texts.prepare_text(card))
    onnx.save(graph, tmp_path / "prepare.onnx")
    tile, *_ = parity.open_session(tmp_path / "prepare.onnx").run(None, {"image": image[None].astype(np.float32)})
    np.testing.assert_allclose(tile, network_input(image, card), atol=2e-4)


def test_one_graph_that_disagrees_is_refused(exported, tmp_path, monkeypatch):
    model, card, folder, _ = exported
    monkeypatch.setattr(whole_detector, "_compare", lambda *_: (_ for _ in ()).throw(parity.ParityError("differs")))
    graphs = [folder / f"small.{kind}.onnx" for kind in ("dense", "roi")]
    with pytest.raises(parity.ParityError):
        whole_detector.export_detector(model, card, tmp_path, graphs=graphs)
    assert list(tmp_path.iterdir()) == []


def test_models_that_one_graph_cannot_be_are_refused(exported):
    _, card, _, _ = exported
    filtered = card.model_copy(update={"preprocess": PreprocessSettings(denoise="median")})
    with pytest.raises(BadSettings, match="denoise"):
        one_graph.check_card(filtered)
    with pytest.raises(BadSettings, match="watershed"):
        one_graph.check_card(zoo.find_model("unet-nuclei").card)


def test_the_example_in_the_docs_draws_the_cells_of_a_real_image_without_our_code(tmp_path):
    """At most ten lines besides imports, in a process that cannot import this package."""
    text = (ROOT / "docs" / "export.md").read_text(encoding="utf-8")
    code = text.split("```python\n")[1].split("```")[0]
    lines = [line for line in code.splitlines() if line and not line.startswith(("import", "#"))]
    assert len(lines) == 10
    nuclei = zoo.find_model("nuclei")
    one_graph.join(*nuclei.graphs, tmp_path / "nuclei.detector.onnx", nuclei.card)
    image = np.asarray(Image.open(ROOT / "resources" / "samples" / "nuclei_fluorescence_small.png").resize((278, 278)))
    tifffile.imwrite(tmp_path / "field.tif", image)
    wall = "import sys; sys.modules['napari_centermask'] = None\n"
    subprocess.run([sys.executable, "-c", wall + code], cwd=tmp_path, check=True, capture_output=True)
    labels = tifffile.imread(tmp_path / "labels.tif")
    cells = segment(image, OnnxEngine(*nuclei.graphs, nuclei.card, device="cpu"), SegmentSettings(diameter=24))
    ours = sum(cell.area for cell in cells)
    assert len(cells) > 20
    assert abs(len(np.unique(labels)) - 1 - len(cells)) <= 0.1 * len(cells)
    assert abs((labels > 0).sum() - ours) < 0.05 * ours
