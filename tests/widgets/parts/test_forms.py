"""Numbers typed into a form, digit by digit."""

import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QLabel

from napari_centermask.core.errors import BadSettings
from napari_centermask.settings import TrainSettings
from napari_centermask.widgets.parts.fold import Fold
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
    with pytest.raises(BadSettings, match="'Tile side': .*greater than or equal to 64, got 32. Choose .*: 64 or more"):
        form.value()


def test_choices_are_offered_and_a_value_from_another_computer_is_kept(qtbot):
    form = SettingsForm(TrainSettings, ["device"], choices={"device": ("auto", "cpu")})
    qtbot.addWidget(form)
    assert form.rows["device"].control.choices == ("auto", "cpu")
    form.set_value({"device": "cuda:1"})
    assert form.value() == {"device": "cuda:1"}
    form.set_value({"device": "cpu"})
    assert form.value() == {"device": "cpu"}


def test_rows_have_titles_units_and_ranges(form):
    assert form.findChildren(QLabel)[0].text() == "Tile side (px)"
    tile = form.rows["tile"].control
    assert tile.tooltip.splitlines()[-1] == "Range: 64 or more, in steps of 32 px."
    form.set_idle({"tile": "augment.rotate is 0"})
    assert tile.tooltip == "No effect: 'Free rotation' is 0."


def test_what_zero_stands_for_is_shown_in_its_place(qtbot):
    form = SettingsForm(TrainSettings, ["minutes"])
    qtbot.addWidget(form)
    assert form.rows["minutes"].control.native.text() == "no limit"
    assert form.value() == {"minutes": None}


def test_an_optional_name_is_a_text(qtbot):
    form = SettingsForm(TrainSettings, ["pretrained"])
    qtbot.addWidget(form)
    assert form.value() == {"pretrained": None}
    form.set_value({"pretrained": "nuclei"})
    assert form.value() == {"pretrained": "nuclei"}
    form.set_value({"pretrained": None})
    assert form.value() == {"pretrained": None}


def test_a_group_is_folded_under_its_heading_and_gone_with_its_last_row(qtbot):
    form = SettingsForm(TrainSettings, ["steps"], folded={"Against forgetting": ["keep", "freeze"]})
    qtbot.addWidget(form)
    form.show()
    fold, keep = form.folds["Against forgetting"], form.rows["keep"].control.native
    assert not fold.isExpanded()
    assert fold.content().maximumHeight() == 0
    fold.toggleButton().click()
    qtbot.waitUntil(lambda: fold.content().height() >= 2 * keep.sizeHint().height(), timeout=30_000)
    form.set_idle({"keep": "no start"}, hide=True)
    assert fold.isVisible()
    form.set_idle({"keep": "no start", "freeze": "no start"}, hide=True)
    assert not fold.isVisible()
    assert form.rows["steps"].control.native.isVisible()


def test_a_fold_in_a_fold_gets_its_room(qtbot):
    outer, form = Fold("Advanced"), SettingsForm(TrainSettings, ["steps"], folded={"More": ["keep", "freeze", "seed"]})
    outer.addWidget(form)
    qtbot.addWidget(outer)
    outer.show()
    outer.expand(animate=False)
    form.folds["More"].toggleButton().click()
    rows = [form.rows[name].control.native for name in ("keep", "freeze", "seed")]
    outer.adjustSize()
    qtbot.waitUntil(lambda: all(row.height() >= row.minimumSizeHint().height() for row in rows), timeout=30_000)
    assert outer.content().maximumHeight() > outer.content().height()
