"""Which layer and which model are on offer first."""

from types import SimpleNamespace

from napari_centermask.models.store import zoo
from napari_centermask.widgets.parts.pickers import LayerCombo, ModelCombo


def test_the_active_layer_is_chosen_first(qtbot):
    import numpy as np
    from napari.components import ViewerModel
    from napari.layers import Image

    viewer = ViewerModel()
    images = [viewer.add_image(np.zeros((8, 8)), name=name) for name in ("first", "second", "third")]
    viewer.layers.selection.active = images[1]
    combo = LayerCombo(viewer, kinds=(Image,))
    qtbot.addWidget(combo)
    assert combo.layer is images[1]


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


def test_a_model_that_was_just_added_can_be_chosen_and_an_unknown_one_changes_nothing(qtbot, card, monkeypatch):
    names = ["nuclei"]
    monkeypatch.setattr(zoo, "list_models", lambda: [SimpleNamespace(name=n, card=card) for n in names])
    combo = ModelCombo()
    qtbot.addWidget(combo)
    names.append("mine")
    combo.choose("mine")
    assert combo.currentText() == "mine"
    combo.choose("of another machine")
    assert combo.currentText() == "mine"


def test_what_has_no_weights_is_not_offered_for_training(qtbot, card, monkeypatch):
    models = [
        SimpleNamespace(name="graphs", card=card, weights=None),
        SimpleNamespace(name="mine", card=card, weights=1),
    ]
    monkeypatch.setattr(zoo, "list_models", lambda: models)
    combo = ModelCombo(trainable=True)
    qtbot.addWidget(combo)
    assert [combo.itemText(at) for at in range(combo.count())] == ["mine"]
