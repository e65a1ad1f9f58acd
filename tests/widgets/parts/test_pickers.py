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
    monkeypatch.setattr(zoo, "list_models", lambda: [SimpleNamespace(name=n, card=card, weights=None) for n in names])
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
    monkeypatch.setattr(zoo, "list_models", lambda: [SimpleNamespace(name=n, card=card, weights=None) for n in names])
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


def test_a_layer_that_means_an_image_chooses_it_and_a_choice_makes_the_image_active(qtbot):
    import numpy as np
    from napari.components import ViewerModel
    from napari.layers import Image

    viewer = ViewerModel()
    images = [viewer.add_image(np.zeros((8, 8)), name=name) for name in ("first", "second")]
    cells, other = (viewer.add_labels(np.zeros((8, 8), int)) for _ in range(2))
    means = {cells: images[0]}
    combo = LayerCombo(viewer, kinds=(Image,), meant=lambda layer: means.get(layer, layer))
    qtbot.addWidget(combo)
    assert combo.layer is images[1]  # the top-most one: what is active means no image
    viewer.layers.selection.active = cells
    assert combo.layer is images[0]
    viewer.layers.selection.active = other
    assert combo.layer is images[0]
    combo.setCurrentIndex(1)
    combo.activated.emit(1)
    assert viewer.layers.selection.active is images[1]
    viewer.layers.remove(images[1])
    assert combo.layer is images[0]


def test_without_an_active_layer_what_you_see_is_chosen(qtbot):
    import numpy as np
    from napari.components import ViewerModel
    from napari.layers import Image

    viewer = ViewerModel()
    images = [viewer.add_image(np.zeros((8, 8)), name=name) for name in ("first", "second", "hidden")]
    images[2].visible = False
    viewer.layers.selection.clear()
    combo = LayerCombo(viewer, kinds=(Image,))
    qtbot.addWidget(combo)
    assert combo.layer is images[1]
