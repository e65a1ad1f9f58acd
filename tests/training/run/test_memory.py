"""Where memory runs out twice, what fits is found by trying, and nothing of the run changes by it."""

import copy

import pytest
import torch

from napari_centermask.core.errors import TrainingFailed
from napari_centermask.settings import UNetSettings
from napari_centermask.training.data.loader import batches
from napari_centermask.training.families import centermask
from napari_centermask.training.run.distributed import World
from napari_centermask.training.run.loop import train
from napari_centermask.training.run.memory import first_that_fits, fits, release, step_failed
from napari_centermask.training.run.trainer import Trainer

SHORT = "[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"


def zero(*_):
    return {"AP": 0.0}


@pytest.fixture(params=["centermask", "unet"])
def large(request, settings):
    """Steps of 8 tiles of 224 pixels, of either family."""
    unet = {"model": UNetSettings(in_channels=1, width=4, depth=3)} if request.param == "unet" else {}
    return settings.model_copy(update={"batch": 8, "tile": 224, **unet})


@pytest.fixture
def memory_for(monkeypatch):
    """Let the losses need memory by the pixel, after the forward pass; returns the (batch, tile) that were tried."""

    def limit(pixels):
        tried, losses = [], Trainer._losses

        def guarded(self, images, truths):
            batch, _, _, tile = images.shape
            values = losses(self, images, truths)  # the norms' statistics move before the memory ends
            if (batch, tile) not in tried:
                tried.append((batch, tile))
            if batch * tile**2 > pixels:
                raise RuntimeError(SHORT)
            return values

        monkeypatch.setattr(Trainer, "_losses", guarded)
        return tried

    return limit


def failure(settings, evaluate=zero):
    with pytest.raises(TrainingFailed) as failed:
        list(train(settings, evaluate=evaluate))
    assert failed.value.reason == "memory"
    return failed.value


def test_the_remedy_is_the_largest_step_that_fits_and_it_trains(large, memory_for):
    tried = memory_for(3 * 160**2)
    failed = failure(large)
    assert tried[:2] == [(8, 224), (4, 224)]
    options = [(b, t) for b in (1, 2, 4) for t in (128, 160, 224)]
    room = [pair for pair in options if pair[0] * pair[1] ** 2 <= 3 * 160**2]
    best = max(room, key=lambda pair: pair[0] * pair[1] ** 2)
    assert tried[2:] == [(4, 160), (4, 128)]
    assert tried[-1] == best
    assert failed.remedy == {"batch": 4, "tile": 128}
    assert "4 tiles of 224 pixels" in str(failed)
    assert str(failed).endswith("GB; batch 4 and tile 128 fit.")
    assert list(train(large.model_copy(update=failed.remedy), evaluate=zero))[-1].step == large.steps


def test_nothing_that_fits_is_said_and_not_proposed_again(large, memory_for):
    tried = memory_for(128**2 - 1)
    failed = failure(large)
    assert tried[-1] == (1, 128)
    assert tried[2:] == [(4, 160), (4, 128), (2, 128), (1, 128)]
    assert failed.remedy == {}
    assert "even batch 1 and tile 128 do not fit" in str(failed)
    assert "other programs" in str(failed)
    assert "lite" in str(failed)
    assert failure(large.model_copy(update={"batch": 1, "tile": 128})).remedy == {}


def test_an_error_that_does_not_tell_of_memory_proves_nothing(settings, monkeypatch):
    def unclear(self, images, truths):
        raise RuntimeError(SHORT if images.shape[3] > 128 else "could not create a primitive")

    monkeypatch.setattr(Trainer, "_losses", unclear)
    failed = failure(settings.model_copy(update={"batch": 4, "tile": 160}))
    assert "batch 1 may fit (not checked)" in str(failed)
    assert failed.remedy == {"batch": 1}


def test_what_is_tried_is_as_full_of_cells_as_the_tiles_were(settings, monkeypatch):
    trainer = Trainer(settings)
    seen, losses = [], centermask.batch_losses

    def look(model, images, truths, *settings, **options):
        seen.append(truths)
        return losses(model, images, truths, *settings, **options)

    monkeypatch.setattr(centermask, "batch_losses", look)
    trainer.most_cells = 40
    assert fits(trainer, 2, 64)
    assert [t.masks.shape for t in seen[0]] == [(12, 64, 64)] * 2  # a quarter of the tile has 10; 12 fill the mask head
    trainer.most_cells = 100
    assert fits(trainer, 1, 64)
    assert seen[-1][0].masks.shape == (25, 64, 64)
    batch = next(iter(batches(settings)))
    trainer.most_cells = 0
    trainer.step(batch.images, batch.truths)
    assert trainer.most_cells == max(len(t.boxes) for t in batch.truths)


def test_a_failed_step_is_given_back_before_others_are_tried(settings, monkeypatch):
    """The error of a step holds its tensors as long as it is handled."""
    import weakref

    held, sizes = [], []

    def short(self, images, truths):
        held.append(weakref.ref(images))
        raise RuntimeError(SHORT)

    def look(trainer):
        release(trainer)
        sizes.extend(tensor() for tensor in held)

    monkeypatch.setattr(Trainer, "_losses", short)
    monkeypatch.setattr("napari_centermask.training.run.loop.release", look)
    failure(settings.model_copy(update={"batch": 1, "tile": 128}))
    assert sizes
    assert sizes == [None] * len(held)


def test_a_searched_rate_that_is_short_of_memory_halves_the_batch_too(settings, memory_for):
    memory_for(128**2)
    run = list(train(settings.model_copy(update={"find_rate": True}), evaluate=zero))
    assert [e.batch for e in run if e.event == "notice" and e.batch] == [1]
    assert run[-1].step == settings.steps


@pytest.mark.parametrize("first", [True, False])
def test_an_evaluation_that_is_short_of_memory_is_explained_and_no_smaller_step_proposed(settings, first):
    def short(*_):
        raise MemoryError

    failed = failure(settings.model_copy(update={"evaluate_first": first}), evaluate=short)
    assert "Out of memory while evaluating. This machine has" in str(failed)
    assert str(settings.out) in str(failed)
    assert failed.remedy == {}


def test_several_processes_say_that_nothing_was_checked(settings):
    trainer = Trainer(settings.model_copy(update={"batch": 4, "tile": 160}))
    trainer.world = World(rank=0, size=2)
    failed = step_failed(trainer, of_host=False)
    assert "batch 2 may fit (not checked)" in str(failed)
    assert failed.remedy == {"batch": 2}
    trainer.progress.batch = 2  # a tile for each process
    assert step_failed(trainer, of_host=False).remedy == {"batch": 2, "tile": 128}
    trainer.settings = trainer.settings.model_copy(update={"tile": 128})
    failed = step_failed(trainer, of_host=False)
    assert failed.remedy == {}
    assert "other programs" in str(failed)


def test_helpers_that_the_system_ended_are_fewer_afterwards(settings, monkeypatch):
    def killed(self, images, truths, **_):
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed.")

    monkeypatch.setattr(Trainer, "step", killed)
    assert failure(settings.model_copy(update={"batch": 4, "tile": 160, "workers": 2})).remedy["workers"] == 1


def state(trainer):
    parts = (trainer.model.state_dict(), trainer.optimiser.state_dict(), trainer.scaler.state_dict())
    return copy.deepcopy((*parts, trainer.average.state, trainer.average.updates, vars(trainer.progress)))


def equal(one, other):
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(v, other[k]) for k, v in one.items())
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    return one == other


@pytest.mark.parametrize("steps", [0, 1])
def test_trying_changes_nothing_of_the_run(large, memory_for, steps):
    trainer = Trainer(large.model_copy(update={"batch": 2}))
    memory_for(2 * 224**2)
    for _, batch in zip(range(steps), batches(trainer.settings), strict=False):
        trainer.step(batch.images, batch.truths)
    before, random = state(trainer), torch.get_rng_state()
    assert fits(trainer, 2, 160)
    assert not fits(trainer, 4, 224)
    assert first_that_fits(trainer) == ((2, 160), True)  # the largest after its own
    assert equal(state(trainer), before)
    assert torch.equal(torch.get_rng_state(), random)
    assert all(p.grad is None for p in trainer.model.parameters())
