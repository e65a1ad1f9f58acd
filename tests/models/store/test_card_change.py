"""A card is replaced; the weights and the hash by which a model is recognised stay."""

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from small_models import SMALL

from napari_centermask.core.errors import BadModel, CannotSave
from napari_centermask.io import whole_file
from napari_centermask.io.files import sha256_of
from napari_centermask.models.store.card import ModelCard
from napari_centermask.models.store.card_change import replace_card
from napari_centermask.models.store.headers import read_safetensors
from napari_centermask.models.store.registry import weights_hash

CARD = ModelCard(name="mine", licence="CC0-1.0", model=SMALL, diameter=30.0)
WEIGHTS = {"a": np.arange(6, dtype=np.float16).reshape(2, 3), "b": np.array([1.5, -2.0], np.float32)}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.safetensors"
    save_file(WEIGHTS, path, metadata={"card": CARD.to_json(), "format": "pt"})
    return path


def test_weights_and_hash_stay_and_the_card_is_new(file):
    before = weights_hash(file)
    assert before == sha256_of(file)
    for description in ("Cells in ä medium.", "Longer " * 50):
        replace_card(file, CARD.model_copy(update={"description": description}))
        metadata = read_safetensors(file).metadata
        assert ModelCard.from_json(metadata["card"]).description == description
        assert metadata["format"] == "pt"
        for name, value in load_file(file).items():
            np.testing.assert_array_equal(value, WEIGHTS[name])
        assert weights_hash(file) == before != sha256_of(file)
    assert [p.name for p in file.parent.iterdir()] == [file.name]


def test_the_data_begin_where_safetensors_wants_them(file):
    replace_card(file, CARD.model_copy(update={"description": "x"}))
    assert int.from_bytes(file.read_bytes()[:8], "little") % 8 == 0


def test_a_file_that_is_saved_anew_has_a_hash_of_its_own(file):
    replace_card(file, CARD.model_copy(update={"description": "x"}))
    save_file({"a": np.zeros(3, np.float32)}, file, metadata={"card": CARD.to_json()})
    assert weights_hash(file) == sha256_of(file)


def test_a_hash_that_is_none_is_not_taken(file):
    save_file(WEIGHTS, file, metadata={"card": CARD.to_json(), "sha256": "../nuclei"})
    assert weights_hash(file) == sha256_of(file)


def test_the_old_file_stays_if_the_new_one_cannot_be_written(file, monkeypatch):
    def full(part):
        raise OSError(28, "No space left on device", str(part))

    before = file.read_bytes()
    monkeypatch.setattr(whole_file, "_sync", full)
    with pytest.raises(CannotSave, match="No space left"):
        replace_card(file, CARD.model_copy(update={"description": "x"}))
    assert file.read_bytes() == before
    assert [p.name for p in file.parent.iterdir()] == [file.name]


def test_a_damaged_file_is_refused_and_stays(file):
    file.write_bytes(file.read_bytes()[:-1])
    before = file.read_bytes()
    with pytest.raises(BadModel):
        replace_card(file, CARD)
    assert file.read_bytes() == before
