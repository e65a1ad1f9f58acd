"""Only a file that cannot be read is called damaged; what cannot be restored for another reason is left as it is."""

import pytest
import torch

from napari_centermask.core.errors import TrainingFailed
from napari_centermask.training.run import state as state_module
from napari_centermask.training.run.state import StateFiles
from napari_centermask.training.run.trainer import Trainer


@pytest.fixture
def files(tmp_path):
    """Two states, of steps 1 and 2."""
    files = StateFiles(tmp_path)
    for step in (1, 2):
        files.write({"step": step})
    return files


def test_the_newest_state_is_restored(files):
    states = []
    assert StateFiles(files.newest.parent).read(states.append) is None
    assert states == [{"step": 2}]


def test_a_damaged_state_is_replaced_by_the_one_before(files):
    files.newest.write_bytes(b"damaged")
    states = []
    assert "last.pt is damaged. Resuming from previous.pt" in StateFiles(files.newest.parent).read(states.append)
    assert states == [{"step": 1}]
    assert torch.load(files.newest) == {"step": 1}


def test_a_shortage_of_memory_is_not_damage(files, monkeypatch):
    load = torch.load

    def short(stream, **options):
        if stream.name.endswith("last.pt"):
            raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")
        return load(stream, **options)

    monkeypatch.setattr(state_module.torch, "load", short)
    with pytest.raises(RuntimeError, match="allocate"):
        StateFiles(files.newest.parent).read(lambda state: None)
    assert load(files.newest) == {"step": 2}
    assert load(files.earlier) == {"step": 1}


def test_a_shortage_of_memory_while_restoring_is_not_damage(files):
    def short(state):
        raise RuntimeError("CUDA out of memory.")

    with pytest.raises(RuntimeError, match="out of memory"):
        StateFiles(files.newest.parent).read(short)
    assert torch.load(files.newest) == {"step": 2}


@pytest.mark.parametrize("changes", [{"freeze": "none", "layer_decay": 0.5}, {"freeze": "early"}, {"optimiser": "sgd"}])
def test_settings_that_do_not_fit_are_named_and_the_checkpoint_is_kept(settings, changes):
    settings = settings.model_copy(update={"freeze": "stem"})
    trainer = Trainer(settings)
    trainer.save()
    before = trainer.files.newest.read_bytes()
    with pytest.raises(TrainingFailed, match="settings do not fit the checkpoint") as failed:
        Trainer(settings.model_copy(update=changes)).resume()
    assert "damaged" not in str(failed.value)
    assert failed.value.remedy == {}
    assert trainer.files.newest.read_bytes() == before
