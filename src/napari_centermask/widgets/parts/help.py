"""The question mark of a dock, and the window with the pages of the documentation, which works offline."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt, QUrl
from qtpy.QtGui import (
    QColor,
    QDesktopServices,
    QImage,
    QPalette,
    QTextBlock,
    QTextCharFormat,
    QTextCursor,
)
from qtpy.QtWidgets import QDialog, QHBoxLayout, QLineEdit, QPushButton, QTextBrowser, QToolButton, QVBoxLayout, QWidget

from napari_centermask.io.pages import FOLDER, page_file, page_url, slug
from napari_centermask.widgets.parts.put_away import PUT_AWAY
from napari_centermask.widgets.work.gate import guarded, help_with

_SIZE = (760, 820)  # pixels: a choice, about 90 letters in a line
_MARGIN = 14  # pixels between the text and the edge of the window
_LINKS = ("#1f5fc4", "#7db4ff")  # on light and on dark
_PICTURE = re.compile(r"!\[([^]]*)\]\(([^)]+)\)")
_IMAGE = 2  # QTextDocument.ResourceType.ImageResource, which comes as a number or an enum, depending on the binding


class HelpButton(QToolButton):
    """A question mark that opens a page of the documentation.

    Parameters
    ----------
    page
        Name of a file in docs/, such as "correct", with "#section" where only a part of it is meant.

    Raises
    ------
    ValueError
        If there is no such page.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        page_file(page.partition("#")[0])
        self.page = page
        self.setText("?")
        self.setToolTip("Open the page about this dock. It works offline.")
        self.clicked.connect(self._on_clicked)  # a function would keep the button alive, until any thread collects it

    def _on_clicked(self) -> None:
        show_page(self.page, self.window())


def show_page(page: str, window: QWidget) -> HelpWindow:
    """Show a page in the help window that belongs to a window; there is one for each."""
    shown = window.findChild(HelpWindow) or HelpWindow(window)
    shown.go_to(page)
    return shown


class HelpWindow(QDialog):
    """The pages of the documentation, with links among them, a way back, and a search in the page."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowFlag(Qt.WindowType.WindowMaximizeButtonHint)
        self.resize(*_SIZE)
        self.text = _Pages()
        self.back, self.contents = QPushButton("◀ Back"), QPushButton("Contents")
        self.hints = QPushButton("Show hints")
        self.hints.setToolTip("Show the hints for beginners in the docks again.")
        self.hints.clicked.connect(guarded(PUT_AWAY.bring_back))
        self.search = QLineEdit()
        self.search.setPlaceholderText("Find in this page")
        line = QHBoxLayout()
        for widget in (self.back, self.contents, self.hints):
            widget.setAutoDefault(False)  # Enter goes to the next match
            line.addWidget(widget)
        line.insertWidget(2, self.search, 1)
        layout = QVBoxLayout(self)
        layout.addLayout(line)
        layout.addWidget(self.text)
        self.back.clicked.connect(self.text.backward)
        self.back.setEnabled(False)
        self.text.backwardAvailable.connect(self.back.setEnabled)
        self.contents.clicked.connect(self._on_contents)
        self.search.returnPressed.connect(self._on_find)
        self.text.sourceChanged.connect(self._on_page)

    def go_to(self, page: str) -> None:
        """Show a page, such as "inputs#how-large-the-cells-are", and bring the window to the front."""
        name, _, anchor = page.partition("#")
        address = QUrl.fromLocalFile(str(page_file(name)))
        address.setFragment(anchor)
        self.show()
        self.raise_()
        self.activateWindow()
        self.text.go(address)

    def _on_page(self) -> None:
        self.setWindowTitle(f"CenterMask: {self.text.document().firstBlock().text()}")

    def _on_contents(self) -> None:
        self.go_to("index")

    def _on_find(self) -> None:
        """Go to the next match, from the top again after the last one."""
        if not self.text.find(self.search.text()):
            self.text.moveCursor(self.text.textCursor().MoveOperation.Start)
            self.text.find(self.search.text())


class _Pages(QTextBrowser):
    """Shows the Markdown files of docs/. Qt makes no anchors of headings, so this finds them."""

    def __init__(self) -> None:
        super().__init__()
        self.setOpenLinks(False)
        self.anchorClicked.connect(self.go)
        self.sourceChanged.connect(self._on_source)

    def go(self, link: QUrl) -> None:
        """Follow a link: to a page here, or in the web browser, where the package does not bring it along."""
        base = self.source() if self.source().isLocalFile() else QUrl.fromLocalFile(f"{FOLDER}/")
        target = base.resolved(link)
        file = Path(target.toLocalFile())
        if target.isLocalFile() and file.suffix == ".md" and file.is_file():
            self.setSource(target)
        elif target.isLocalFile():
            name = file.relative_to(FOLDER).with_suffix("").as_posix()
            QDesktopServices.openUrl(QUrl(page_url(name, target.fragment())))
        else:
            QDesktopServices.openUrl(target)

    def loadResource(self, type: Any, url: QUrl) -> object:
        """A page, with links in the place of pictures that the package does not bring along; a picture no wider than the text."""
        file = Path(self.source().resolved(url).toLocalFile())
        if getattr(type, "value", type) == _IMAGE:
            picture = QImage(str(file))
            widest = max(self.viewport().width() - 3 * _MARGIN, 1)
            return picture.scaledToWidth(min(widest, picture.width()), Qt.TransformationMode.SmoothTransformation)
        text = file.read_text(encoding="utf-8")
        return _PICTURE.sub(lambda m: m[0] if (file.parent / m[2]).is_file() else f"*Picture: {m[1]}*", text)

    def _on_source(self, source: QUrl) -> None:
        """Colour the links, as Qt's dark blue cannot be read on a dark theme, and go to the section of the address."""
        self.document().setDocumentMargin(_MARGIN)
        is_dark = self.palette().color(QPalette.ColorRole.Text).lightness() > 127
        found: QTextBlock | None = None
        link, cursor, block = QTextCharFormat(), QTextCursor(self.document()), self.document().begin()
        link.setForeground(QColor(_LINKS[is_dark]))
        cursor.beginEditBlock()
        while block.isValid():
            for part in block.textFormats():
                if part.format.isAnchor():
                    cursor.setPosition(block.position() + part.start)
                    cursor.setPosition(block.position() + part.start + part.length, QTextCursor.MoveMode.KeepAnchor)
                    cursor.mergeCharFormat(link)
            if block.blockFormat().headingLevel() and slug(block.text()) == source.fragment():
                found = block
            block = block.next()
        cursor.endEditBlock()
        self.document().markContentsDirty(
            0, self.document().characterCount()
        )  # Qt forgets to lay out what is below the last link
        if found is not None:
            self._bring_up(found)

    def _bring_up(self, heading: QTextBlock) -> None:
        layout = self.document().documentLayout()
        layout.documentSize()  # lays the whole text out, so that the scroll bar reaches it
        self.verticalScrollBar().setValue(round(layout.blockBoundingRect(heading).top()) - _MARGIN)


help_with(show_page)
