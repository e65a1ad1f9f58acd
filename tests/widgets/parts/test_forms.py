"""Numbers typed into a form, digit by digit."""

import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_centermask.core.errors import BadSettings
from napari_centermask.settings import TrainSettings
from napari_centermask.widgets.parts.forms import SettingsForm


@pytest.fixture
def form(qtbot):
    form = SettingsForm(TrainSettings, ["tile", "batch", "steps"])
    qtbot.addWidget(form)
    form.show()
    return form


def typed(form, name, text):
    box = form.rows[name].control.native
    QTest.keyClick(box, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    QTest.keyClicks(box, text)
    return form.rows[name].value()


def test_a_number_is_what_was_typed_also_where_its_first_digit_is_below_the_least_value(form):
    assert typed(form, "tile", "128") == 128
    assert typed(form, "batch", "3") == 3
    assert typed(form, "steps", "40") == 40
    assert form.value() == {"tile": 128, "batch": 3, "steps": 40}


def test_a_value_below_the_least_is_refused_in_words(form):
    typed(form, "tile", "32")
    with pytest.raises(BadSettings, match="greater than or equal to 64"):
        form.value()


def test_choices_are_offered_and_a_value_from_another_computer_is_kept(qtbot):
    form = SettingsForm(TrainSettings, ["device"], choices={"device": ("auto", "cpu")})
    qtbot.addWidget(form)
    assert form.rows["device"].control.choices == ("auto", "cpu")
    form.set_value({"device": "cuda:1"})
    assert form.value() == {"device": "cuda:1"}
    form.set_value({"device": "cpu"})
    assert form.value() == {"device": "cpu"}
