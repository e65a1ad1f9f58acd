"""`?` opens the page of a dock from the package itself, and its links lead on."""

from __future__ import annotations

import gc
import weakref

import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt, QUrl
from qtpy.QtGui import QDesktopServices, QTextCursor
from qtpy.QtWidgets import QWidget

from napari_centermask.core.errors import BadImage
from napari_centermask.io import pages
from napari_centermask.widgets.parts import help as help_module
from napari_centermask.widgets.parts.help import HelpButton, show_page
from napari_centermask.widgets.work.gate import attempt


@pytest.fixture
def window(qtbot):
    window = QWidget()
    qtbot.addWidget(window)
    window.show()
    return window


@pytest.fixture
def opened(monkeypatch):
    """Addresses that the web browser was asked to open."""
    addresses = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: addresses.append(url.toString()))
    return addresses


def is_in_sight(shown, heading):
    """Whether a heading of the page is in view, not just in the page."""
    (block,) = (b for b in _blocks(shown) if b.blockFormat().headingLevel() and b.text() == heading)
    return shown.text.viewport().rect().contains(shown.text.cursorRect(QTextCursor(block)))


def test_a_button_opens_its_page_and_a_second_one_the_same_window(qtbot, window):
    buttons = [HelpButton("correct"), HelpButton("review")]
    for button in buttons:
        button.setParent(window)
        button.show()
    qtbot.mouseClick(buttons[0], Qt.MouseButton.LeftButton)
    shown = window.findChild(help_module.HelpWindow)
    assert shown.isVisible()
    assert shown.windowTitle() == "CenterMask: Correct overlapping cells in napari"
    qtbot.mouseClick(buttons[1], Qt.MouseButton.LeftButton)
    assert len(window.findChildren(help_module.HelpWindow)) == 1
    assert "Review" in shown.windowTitle()


def test_a_button_is_freed_where_it_is_dropped(window):
    """Not by the garbage collector, perhaps in another thread, where Qt crashes."""
    gc.disable()
    try:
        button = weakref.ref(HelpButton("correct"))
        assert button() is None
    finally:
        gc.enable()


def test_a_button_for_a_page_that_is_not_there_is_refused(window):
    with pytest.raises(ValueError, match="no page 'corect' among .*correct"):
        HelpButton("corect")


def test_a_section_is_brought_into_view(qtbot, window):
    shown = show_page("inputs", window)
    assert not is_in_sight(shown, "How large the cells are")
    show_page("inputs#how-large-the-cells-are", window)
    qtbot.waitUntil(lambda: is_in_sight(shown, "How large the cells are"), timeout=30_000)


def test_links_lead_to_other_pages_and_back(qtbot, window, opened):
    shown = show_page("correct", window)
    assert not shown.back.isEnabled()
    shown.text.anchorClicked.emit(QUrl("inputs.md#range"))
    assert "Inputs" in shown.windowTitle()
    qtbot.waitUntil(lambda: is_in_sight(shown, "Range"), timeout=30_000)
    qtbot.mouseClick(shown.back, Qt.MouseButton.LeftButton)
    assert "Correct" in shown.windowTitle()
    qtbot.mouseClick(shown.contents, Qt.MouseButton.LeftButton)
    assert shown.text.source().fileName() == "index.md"
    assert opened == []


def test_what_the_package_does_not_bring_opens_in_the_web_browser(window, opened):
    shown = show_page("index", window)
    shown.text.anchorClicked.emit(QUrl("https://napari.org"))
    shown.text.anchorClicked.emit(QUrl("reference/commands.md#segment"))
    assert opened == ["https://napari.org", pages.page_url("reference/commands", "segment")]
    assert shown.text.source().fileName() == "index.md"


def test_a_picture_is_no_wider_than_the_text_and_named_where_it_is_missing(window, tmp_path, monkeypatch):
    shown = show_page("napari", window)
    picture = shown.text.loadResource(2, QUrl("images/segment.png"))
    assert 100 < picture.width() < shown.text.viewport().width()
    (tmp_path / "bare.md").write_text("# Bare\n\n![Nuclei](images/segment.png)\n", encoding="utf-8")
    shown.text.go(QUrl.fromLocalFile(str(tmp_path / "bare.md")))
    assert "Picture: Nuclei" in shown.text.toPlainText()


def test_links_can_be_read_on_dark_and_light(window, qtbot):
    for style, is_dark in (("color: white; background: black", True), ("color: black; background: white", False)):
        window.setStyleSheet(f"QTextBrowser {{ {style} }}")
        shown = show_page("index", window)
        shown.text.reload()
        lightness = []
        for block in _blocks(shown):
            for part in block.textFormats():
                if part.format.isAnchor():
                    lightness.append(part.format.foreground().color().lightness())
        assert lightness
        assert all((value > 150) == is_dark for value in lightness)


def _blocks(shown):
    block = shown.text.document().begin()
    while block.isValid():
        yield block
        block = block.next()


def test_the_search_goes_to_the_next_match_and_round(qtbot, window):
    shown = show_page("correct", window)
    shown.search.setText("write mode")
    seen = []
    for _ in range(4):
        qtbot.keyClick(shown.search, Qt.Key.Key_Return)
        seen.append(shown.text.textCursor().selectionStart())
    assert len(set(seen)) > 1
    assert seen[0] in seen[1:]


def test_an_error_offers_the_page_about_its_kind(qtbot, window):
    def fails():
        raise BadImage("Pixels must be integers.")

    attempt(fails)
    notification = notification_manager.records[-1]
    assert notification.message == "Pixels must be integers."
    ((title, opens),) = notification.actions
    shown_in = QWidget(window)  # as napari shows it, over the canvas
    opens(shown_in)
    assert title == "Help"
    assert window.findChild(help_module.HelpWindow).windowTitle() == "CenterMask: Errors and what to do"
