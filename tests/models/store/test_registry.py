"""Nothing that a person deletes is lost at once, and every model can tell where it comes from."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from napari_centermask.core.errors import BadModel
from napari_centermask.models.families import family_of
from napari_centermask.models.store import registry, zoo
from napari_centermask.models.store.card import ModelCard
from napari_centermask.settings import ModelSettings

SMALL = ModelSettings(fpn_channels=16, mask_channels=16, maskiou_channels=16, maskiou_fc=16)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_CENTERMASK_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(zoo, "shipped_folder", lambda: tmp_path / "shipped")
    return tmp_path / "home" / "models"


@pytest.fixture
def add(tmp_path):
    def make(name, *, value=0.0, **fields):
        card = ModelCard(name=name, licence="CC0-1.0", model=SMALL, diameter=30.0, **fields)
        tensors = {k: np.full(s, value, np.float16) for k, s in family_of(SMALL).shapes(SMALL).items()}
        path = tmp_path / f"{name}.safetensors"
        save_file(tensors, path, metadata={"card": card.to_json()})
        return zoo.add_model(path)

    return make


def names():
    return [m.name for m in zoo.list_models()]


def test_a_deleted_model_comes_back_and_the_last_one_first(add):
    add("a", value=1.0)
    registry.delete_model("a")
    second = registry.weights_hash(add("a", value=2.0).weights)
    registry.delete_model("a")
    assert names() == []
    assert [deleted.name for deleted in registry.deleted_models()] == ["a", "a"]
    assert registry.weights_hash(registry.restore_model("a").weights) == second
    assert names() == ["a"]
    with pytest.raises(BadModel, match="already installed"):
        registry.restore_model("a")


def test_what_is_removed_for_good_is_gone_and_no_other(add):
    add("a")
    deleted = registry.delete_model("a")
    add("a")
    other = registry.delete_model("a")
    size = sum(p.stat().st_size for p in deleted.folder.iterdir())
    assert registry.remove_deleted(deleted) == size
    assert registry.deleted_models() == [other]
    with pytest.raises(BadModel, match="no longer among the deleted"):
        registry.remove_deleted(deleted)
    registry.remove_deleted(other)
    with pytest.raises(BadModel, match="deleted or archived"):
        registry.restore_model("a")


def test_an_archived_model_is_kept_and_not_offered(add):
    add("a")
    registry.archive_model("a")
    assert (names(), registry.archived_models()) == ([], ["a"])
    registry.restore_model("a")
    assert (names(), registry.archived_models()) == (["a"], [])


def test_a_model_of_the_archive_comes_back_past_a_deleted_one_of_its_name(add):
    add("a", value=1.0)
    deleted = registry.delete_model("a")
    archived = registry.weights_hash(add("a", value=2.0).weights)
    registry.archive_model("a")
    assert registry.weights_hash(registry.restore_archived("a").weights) == archived
    assert (registry.archived_models(), registry.deleted_models()) == ([], [deleted])
    with pytest.raises(BadModel, match="already installed"):
        registry.restore_deleted(deleted)
    assert registry.deleted_models() == [deleted]


def test_of_several_deleted_models_of_a_name_each_comes_back_as_itself(add):
    hashes, deleted = [], []
    for value in (1.0, 2.0, 3.0):
        hashes.append(registry.weights_hash(add("a", value=value).weights))
        deleted.append(registry.delete_model("a"))
    assert registry.deleted_models() == deleted[::-1]
    for one, expected in zip(deleted, hashes, strict=True):
        assert registry.weights_hash(registry.restore_deleted(one).weights) == expected
        assert registry.delete_model("a", time_ns=one.time_ns) == one
    assert registry.deleted_models() == deleted[::-1]


def test_what_is_gone_is_not_restored(add):
    add("a")
    deleted = registry.delete_model("a")
    registry.restore_deleted(deleted)
    with pytest.raises(registry.NotThere, match=rf"'a' deleted on {deleted.date}"):
        registry.restore_deleted(deleted)
    with pytest.raises(registry.NotThere, match=r"no model 'a' in the archive"):
        registry.restore_archived("a")
    assert names() == ["a"]


def test_a_renamed_model_keeps_its_weights_and_card(add, home):
    before = registry.weights_hash(add("a").weights)
    renamed = registry.rename_model("a", "b")
    assert names() == ["b"]
    assert (renamed.name, renamed.card.name) == ("b", "a")
    assert registry.weights_hash(renamed.weights) == before
    assert [p.name for p in home.iterdir()] == ["b"]


def test_the_classifier_and_the_sample_beside_a_model_go_wherever_it_goes(add, home, tmp_path):
    folder = add("a").weights.parent
    (folder / "a.classifier.onnx").write_bytes(b"classifier")
    (folder / registry.REPLAY).mkdir()
    (folder / registry.REPLAY / "annotations_train.json").write_text("{}")
    registry.archive_model("a")
    registry.restore_model("a")
    registry.delete_model("a")
    moved = registry.rename_model(registry.restore_model("a").name, "b")
    assert moved.classifier == home / "b" / "b.classifier.onnx"
    assert (home / "b" / registry.REPLAY / "annotations_train.json").read_text() == "{}"
    copies = registry.export_model("b", tmp_path / "out")
    assert [p.name for p in copies] == ["b.safetensors", "b.classifier.onnx"]
    assert copies[1].read_bytes() == b"classifier"
    with pytest.raises(BadModel, match=r"already has .*b\.classifier\.onnx"):
        registry.export_model("b", tmp_path / "out")


def test_names_that_are_taken_or_lead_elsewhere_are_refused(add, tmp_path):
    add("a")
    add("b")
    (tmp_path / "shipped" / "nuclei").mkdir(parents=True)
    with pytest.raises(BadModel, match="already installed"):
        registry.rename_model("a", "b")
    for bad in ("../up", ".hidden", "a/b"):
        with pytest.raises(BadModel):
            registry.rename_model("a", bad)
        changes = (registry.delete_model, registry.archive_model, registry.restore_model, registry.restore_archived)
        for change in changes:
            with pytest.raises(BadModel):
                change(bad)
    with pytest.raises(BadModel, match="is part of napari-centermask"):
        registry.delete_model("nuclei")
    assert names() == ["a", "b"]


def test_the_lineage_follows_the_hash_over_a_new_name(add):
    first = add("first", value=1.0)
    second = add("second", value=2.0, parent="first", training={"parent_sha256": registry.weights_hash(first.weights)})
    third = add("third", value=3.0, parent="second", training={"parent_sha256": registry.weights_hash(second.weights)})
    registry.rename_model("first", "grandparent")
    chain = registry.lineage(third)
    assert [a.name for a in chain] == ["third", "second", "grandparent"]
    assert all(a.model is not None for a in chain)
    assert [m.name for m in registry.children(zoo.find_model("grandparent"))] == ["second"]


def test_a_parent_that_is_not_here_is_named(add):
    model = add("child", parent="elsewhere", training={"parent_sha256": "0" * 64})
    add("elsewhere", value=5.0)  # of the same name, with other weights
    own, parent = registry.lineage(model)
    assert (parent.name, parent.model) == ("elsewhere", None)
    assert own.sha256 == registry.weights_hash(model.weights)
