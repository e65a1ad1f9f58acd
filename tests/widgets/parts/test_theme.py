"""Hints are readable on dark and on light, and follow the theme."""

import pytest
from qtpy.QtGui import QColor, QPalette
from qtpy.QtWidgets import QWidget

from napari_centermask.widgets.parts.theme import ThemedStyle, readable, style

BACKGROUNDS = {"dark": "#262930", "light": "#efebe9"}  # napari's
TEXTS = {"dark": "#f0f1f2", "light": "#3b3a39"}


def palette(theme):
    made = QPalette()
    made.setColor(QPalette.ColorRole.WindowText, QColor(TEXTS[theme]))
    return made


def luminance(colour):
    """Relative luminance as in WCAG 2."""
    parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in QColor(colour).getRgbF()[:3]]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), parts, strict=True))


def contrast(a, b):
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", BACKGROUNDS)
def test_hints_have_the_contrast_of_text(qtbot, theme):
    rule = next(line for line in style(palette(theme)).splitlines() if "#quiet" in line)
    assert contrast(rule.split("color: ")[1].split(";")[0], BACKGROUNDS[theme]) > 4.5


@pytest.mark.parametrize("colour", ["#7bd389", "#4cc9f0", "#f2789f", "#9aa4b2"])
@pytest.mark.parametrize("theme", BACKGROUNDS)
def test_coloured_words_are_readable(qtbot, theme, colour):
    assert contrast(readable(QColor(colour), palette(theme)), BACKGROUNDS[theme]) > 3


def test_a_widget_follows_the_theme(qtbot):
    window = QWidget()
    inside = QWidget(window)
    qtbot.addWidget(window)
    window.setStyleSheet("QWidget { color: #f0f1f2; }")
    ThemedStyle(inside)
    window.show()
    qtbot.waitUntil(lambda: inside.styleSheet() == style(palette("dark")), timeout=30_000)
    window.setStyleSheet("QWidget { color: #3b3a39; }")
    qtbot.waitUntil(lambda: inside.styleSheet() == style(palette("light")), timeout=30_000)
