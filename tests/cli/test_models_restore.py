"""`models restore` brings a removed or archived model back and says which one."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from napari_centermask import cli
from napari_centermask.models.families import family_of
from napari_centermask.models.store import registry, zoo
from napari_centermask.models.store.card import ModelCard
from napari_centermask.settings import ModelSettings

SMALL = ModelSettings(fpn_channels=16, mask_channels=16, maskiou_channels=16, maskiou_fc=16)
pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def add(tmp_path):
    """Install a model whose card has a description."""

    def make(description):
        card = ModelCard(name="mine", licence="CC0-1.0", model=SMALL, diameter=30.0, description=description)
        tensors = {k: np.zeros(s, np.float16) for k, s in family_of(SMALL).shapes(SMALL).items()}
        save_file(tensors, tmp_path / "mine.safetensors", metadata={"card": card.to_json()})
        zoo.add_model(tmp_path / "mine.safetensors")

    return make


def restored(capsys):
    """What `models restore mine` prints, and the description of the model that came."""
    capsys.readouterr()
    assert cli.run(["models", "restore", "mine"]) == 0
    return capsys.readouterr().out, zoo.find_model("mine").card.description


def test_of_a_removed_and_an_archived_model_the_removed_one_comes_first_and_the_other_is_named(add, capsys):
    add("first")
    registry.archive_model("mine")
    add("second")
    assert cli.run(["models", "remove", "mine"]) == 0
    text, deleted = restored(capsys)
    assert deleted == "second"
    assert text.startswith("Restored 'mine', removed on ")
    assert "more with this name: in the archive. Rename this one" in text
    registry.rename_model("mine", "other")
    assert restored(capsys) == ("Restored 'mine' from the archive\n", "first")


def test_a_model_that_was_put_away_nowhere_is_refused(capsys):
    assert cli.run(["models", "restore", "mine"]) == 2
    assert "There is no deleted or archived model 'mine'. There are: none." in capsys.readouterr().err


def test_empty_removes_for_good_what_was_removed_and_not_the_archive(add, capsys):
    add("first")
    registry.archive_model("mine")
    add("second")
    registry.delete_model("mine")
    assert cli.run(["models", "empty"]) == 0
    assert "Deleted 1 model for good; " in capsys.readouterr().out
    assert registry.deleted_models() == []
    assert restored(capsys)[1] == "first"
