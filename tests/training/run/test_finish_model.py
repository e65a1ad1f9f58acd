"""`scripts/finish_model.py --last`: the last averaged weights of a run, with its whole curve."""

import importlib.util
from pathlib import Path

import pytest
import torch

from napari_centermask.models.store.card import ModelCard
from napari_centermask.settings import ModelSettings

SCRIPT = Path(__file__).parents[3] / "scripts" / "finish_model.py"


@pytest.fixture
def finish_model():
    pytest.importorskip("onnx")
    spec = importlib.util.spec_from_file_location("finish_model", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_card_keeps_every_evaluation_however_long_the_run_was(finish_model, tmp_path):
    """Of 1,000 rows, 100 are evaluations, none of them one of each fifth row."""
    curves = [{"step": n, "AP": n / 1000} if n % 10 == 3 else {"step": n, "loss_mask": 1.0} for n in range(1000)]
    model = torch.nn.Linear(2, 1)
    average = {name: torch.ones_like(value) for name, value in model.state_dict().items()}
    progress = {"step": 999, "seconds": 120.0, "curves": curves}
    torch.save({"average": average, "progress": progress}, tmp_path / "last.pt")
    card = ModelCard(name="mine", licence="CC0-1.0", model=ModelSettings(), diameter=30.0, metrics={"val": {"AP": 0.9}})
    card = finish_model.take_last(model, card, tmp_path / "last.pt")
    kept = card.training["curves"]
    assert [row["step"] for row in kept if "AP" in row] == list(range(3, 1000, 10))
    assert [row["step"] for row in kept if "AP" not in row] == list(range(0, 1000, 5))
    assert (card.training["steps"], card.training["minutes"], card.metrics) == (999, 2.0, {})
    assert all(torch.equal(value, torch.ones_like(value)) for value in model.state_dict().values())
