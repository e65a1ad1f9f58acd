"""Which model is on offer first."""

from types import SimpleNamespace

from napari_centermask.models import zoo
from napari_centermask.widgets.pickers import ModelCombo


def test_the_default_model_is_chosen_first_and_a_choice_stays(qtbot, card, monkeypatch):
    names = ["live-dead", "nuclei", "own"]
    monkeypatch.setattr(zoo, "list_models", lambda: [SimpleNamespace(name=n, card=card) for n in names])
    combo = ModelCombo()
    qtbot.addWidget(combo)
    assert combo.currentText() == "nuclei"
    combo.setCurrentText("own")
    names.insert(0, "another")
    combo.reload()
    assert combo.currentText() == "own"
    names[:] = ["another", "live-dead"]
    combo.reload()
    assert combo.currentText() == "another"
