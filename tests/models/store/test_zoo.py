"""Models are found, added and removed without torch; damaged files give one clear message."""

import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file
from small_models import SMALL, write_graph, write_weights

from napari_centermask.core.errors import BadModel
from napari_centermask.models.families import family_of
from napari_centermask.models.store import zoo
from napari_centermask.models.store.card import ModelCard
from napari_centermask.models.store.classifier_card import find_classifier, list_classifiers
from napari_centermask.models.store.headers import read_onnx
from napari_centermask.settings import UNetSettings


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_CENTERMASK_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(zoo, "shipped_folder", lambda: tmp_path / "shipped")
    return tmp_path / "home"


def test_an_added_model_is_found_listed_and_removed(tmp_path, home):
    zoo.add_model(write_weights(tmp_path / "mine.safetensors"), "better")
    model = zoo.find_model("better")
    assert model.weights == home / "models" / "better" / "better.safetensors"
    assert [m.name for m in zoo.list_models()] == ["better"]
    assert not model.shipped
    zoo.remove_model("better")
    assert zoo.list_models() == []


def test_a_model_is_found_by_file_and_by_folder(tmp_path):
    path = write_weights(tmp_path / "run" / "best.safetensors", name="run 7")
    assert zoo.find_model(path).weights == path
    assert zoo.find_model(tmp_path / "run").card.name == "run 7"


def test_a_model_that_goes_while_the_list_is_made_is_not_called_broken(tmp_path, home, monkeypatch):
    for name in ("going", "staying"):
        zoo.add_model(write_weights(tmp_path / f"{name}.safetensors"))
    read = zoo._read_card

    def late(path):
        if path.parent.name == "going":
            path.parent.rename(path.parent.with_name(".gone"))
        return read(path)

    monkeypatch.setattr(zoo, "_read_card", late)
    assert zoo.broken_models() == []
    assert [m.name for m in zoo.list_models()] == ["staying"]


def test_no_name_is_not_the_folder_where_one_is():
    with pytest.raises(BadModel, match="Choose an installed model"):
        zoo.find_model("")


def test_an_unknown_name_lists_the_known_ones(tmp_path):
    zoo.add_model(write_weights(tmp_path / "mine.safetensors"))
    with pytest.raises(BadModel, match=r"nothing-here.*mine"):
        zoo.find_model("nothing-here")


def test_a_taken_name_is_refused_and_nothing_changes(tmp_path, home):
    path = write_weights(tmp_path / "mine.safetensors")
    zoo.add_model(path)
    with pytest.raises(BadModel, match="already installed"):
        zoo.add_model(path)
    assert [p.name for p in (home / "models").iterdir()] == ["mine"]


@pytest.mark.parametrize("name", ["../up", "a/b", ".hidden", "", "a b"])
def test_names_that_leave_the_folder_are_refused(tmp_path, name):
    path = write_weights(tmp_path / "mine.safetensors")
    if name:
        with pytest.raises(BadModel):
            zoo.add_model(path, name)
    with pytest.raises(BadModel):
        zoo.remove_model(name)


def test_shipped_models_come_first_and_stay(tmp_path):
    write_weights(tmp_path / "shipped" / "nuclei" / "nuclei.safetensors")
    zoo.add_model(write_weights(tmp_path / "a.safetensors"))
    assert [m.name for m in zoo.list_models()] == ["nuclei", "a"]
    with pytest.raises(BadModel, match="is part of napari-centermask"):
        zoo.remove_model("nuclei")


def test_a_failed_addition_leaves_nothing(tmp_path, home):
    path = write_weights(tmp_path / "mine.safetensors")
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(BadModel):
        zoo.add_model(path)
    assert not (home / "models").exists() or not list((home / "models").iterdir())


def test_a_model_is_listed_only_when_it_is_complete(tmp_path, home):
    def complete(files):
        assert (files.name, zoo.list_models()) == ("better", [])
        files.weights.with_name("better.classifier.onnx").write_bytes(b"classifier")

    added = zoo.add_model(write_weights(tmp_path / "mine.safetensors"), "better", complete=complete)
    assert added.classifier == home / "models" / "better" / "better.classifier.onnx"


def test_a_name_that_is_taken_while_a_model_is_completed_is_refused(tmp_path, home):
    path = write_weights(tmp_path / "mine.safetensors")
    first = write_weights(tmp_path / "other.safetensors", diameter=50.0)
    with pytest.raises(BadModel, match="already installed"):
        zoo.add_model(path, "mine", complete=lambda _: zoo.add_model(first, "mine"))
    assert [p.name for p in (home / "models").iterdir()] == ["mine"]
    assert zoo.find_model("mine").card.diameter == 50.0


def test_a_damaged_model_does_not_hide_the_others(tmp_path, home):
    zoo.add_model(write_weights(tmp_path / "a.safetensors"))
    bad = home / "models" / "b"
    bad.mkdir()
    (bad / "b.safetensors").write_bytes(b"nonsense")
    assert [m.name for m in zoo.list_models()] == ["a"]
    assert len(zoo.broken_models()) == 1


def test_the_classifier_beside_a_model_is_installed_with_it(tmp_path, home):
    path = write_weights(tmp_path / "mine.safetensors")
    assert zoo.find_model(path).classifier is None
    alone = zoo.find_model(path).size
    (tmp_path / "mine.classifier.onnx").write_bytes(b"classifier")
    (tmp_path / "other.classifier.onnx").write_bytes(b"of another model")
    added = zoo.add_model(path, "better")
    assert added.classifier == home / "models" / "better" / "better.classifier.onnx"
    assert added.classifier.read_bytes() == b"classifier"
    assert added.size == alone + len(b"classifier")
    assert "better" in list_classifiers()
    assert find_classifier("better") == added.classifier
    with pytest.raises(BadModel, match="but a classifier of cells"):
        zoo.add_model(added.classifier, "again")


def test_a_card_that_lies_is_refused(tmp_path):
    path = write_weights(tmp_path / "liar.safetensors", model=SMALL.model_copy(update={"categories": ["a", "b"]}))
    with pytest.raises(BadModel, match="does not describe"):
        zoo.find_model(path)


def test_weights_without_a_card_are_refused(tmp_path):
    save_file({"a": np.zeros(3, np.float32)}, tmp_path / "a.safetensors")
    with pytest.raises(BadModel, match="model card"):
        zoo.find_model(tmp_path / "a.safetensors")


def test_graphs_without_weights_are_a_model(tmp_path):
    card = ModelCard(name="graph", licence="CC0-1.0", model=SMALL, diameter=30.0)
    write_graph(tmp_path / "g.dense.onnx", card, {"image": (0, 3, 0, 0), "logits": (0, 0, 1)})
    with pytest.raises(BadModel, match="both graphs"):
        zoo.find_model(tmp_path / "g.dense.onnx")
    write_graph(tmp_path / "g.roi.onnx", card, {"p3": (0, 16, 0, 0)})
    added = zoo.find_model(tmp_path / "g.roi.onnx")
    assert added.weights is None
    assert added.card == card
    assert read_onnx(added.graphs[0]).shapes == {"image": (0, 3, 0, 0), "logits": (0, 0, 1)}


def test_a_graph_that_its_card_does_not_describe_is_refused(tmp_path):
    card = ModelCard(name="graph", licence="CC0-1.0", model=SMALL, diameter=30.0)
    write_graph(tmp_path / "g.roi.onnx", card, {"p3": (0, 16, 0, 0)})
    write_graph(tmp_path / "g.dense.onnx", card, {"image": (0, 5, 0, 0)})
    with pytest.raises(BadModel, match="does not describe its graph"):
        zoo.find_model(tmp_path / "g.dense.onnx")


@pytest.mark.parametrize(("field", "value"), [("diameter", 31.0), ("training", {"step": 7})])
def test_graphs_of_another_model_or_of_an_earlier_training_are_not_mixed(tmp_path, field, value):
    path = write_weights(tmp_path / "g.safetensors")
    card = ModelCard(**{"name": "g", "licence": "CC0-1.0", "model": SMALL, "diameter": 30.0, field: value})
    write_graph(tmp_path / "g.dense.onnx", card, {"image": (0, 3, 0, 0)})
    write_graph(tmp_path / "g.roi.onnx", card, {"p3": (0, 16, 0, 0)})
    with pytest.raises(BadModel, match=f"differ in {field}"):
        zoo.find_model(path)


def test_the_zoo_needs_no_torch():
    code = "import sys, napari_centermask.models.store.zoo as z; z.list_models(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_unet_has_one_graph(tmp_path):
    settings = UNetSettings(width=8, depth=2, in_channels=2)
    card = ModelCard(name="maps", licence="CC0-1.0", model=settings, diameter=20.0)
    path = tmp_path / "maps.safetensors"
    tensors = {k: np.zeros(s, np.float16) for k, s in family_of(settings).shapes(settings).items()}
    save_file(tensors, path, metadata={"card": card.to_json()})
    assert zoo.find_model(path).graphs is None
    write_graph(tmp_path / "maps.maps.onnx", card, {"image": (0, 2, 0, 0), "maps": (0, 4, 0, 0)})
    added = zoo.add_model(path, "mine")
    assert added.card.kind == "unet"
    assert [p.name for p in added.graphs] == ["mine.maps.onnx"]
    assert added.size == sum(p.stat().st_size for p in added.paths) > 0

    write_graph(tmp_path / "maps.maps.onnx", card, {"image": (0, 2, 0, 0), "maps": (0, 3, 0, 0)})
    with pytest.raises(BadModel, match="'maps' should have 4 on axis 1"):
        zoo.find_model(path)


def test_graphs_of_the_other_family_are_refused(tmp_path):
    path = write_weights(tmp_path / "mine.safetensors")
    card = zoo.find_model(path).card
    write_graph(tmp_path / "mine.maps.onnx", card, {"image": (0, 3, 0, 0)})
    with pytest.raises(BadModel, match=r"mine\.maps\.onnx is not a graph of"):
        zoo.find_model(path)
