"""A threshold as a slider and a number."""

from napari_centermask.widgets.parts.score import ScoreSlider


def test_slider_and_number_show_one_value_and_what_code_sets_is_silent(qtbot):
    score, heard = ScoreSlider(0.5, low=0.2, high=0.9), []
    qtbot.addWidget(score)
    score.changed.connect(heard.append)
    score.set_value(0.734)
    assert score.value() == score._spin.value() == score._slider.value() / 100 == 0.73
    assert heard == []
    score._slider.setValue(40)
    assert score._spin.value() == 0.4
    score._spin.setValue(0.65)
    assert score._slider.value() == 65
    assert heard == [0.4, 0.65]
    score.set_value(1.5)
    assert score.value() == 0.9
