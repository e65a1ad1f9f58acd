"""Where the documentation lies: its pages come with the package, as Markdown, and stand on the site with their pictures."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

REPOSITORY = "https://github.com/napari-centermask/napari-centermask"
SITE = "https://napari-centermask.github.io/napari-centermask/"
FOLDER = Path(__file__).parents[1] / "docs"


def page_file(page: str) -> Path:
    """The Markdown of a page, such as "correct".

    Raises
    ------
    ValueError
        If there is no such page.
    """
    file = FOLDER / f"{page}.md"
    if not file.is_file():
        raise ValueError(f"There is no page '{page}' among {', '.join(page_names())}.")
    return file


def page_names() -> list[str]:
    """The pages that come with the package."""
    return sorted(file.stem for file in FOLDER.glob("*.md"))


def page_url(page: str, anchor: str = "") -> str:
    """The address of a page on the site, or of a section of it; `anchor` is the `slug` of its heading."""
    return f"{SITE}{'' if page == 'index' else f'{page}/'}{f'#{anchor}' if anchor else ''}"


def slug(heading: str) -> str:
    """The anchor of a heading in Markdown, as the site makes it: "How large the cells are" is "how-large-the-cells-are"."""
    plain = unicodedata.normalize("NFKD", heading).encode("ascii", "ignore").decode()
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", plain).strip().lower())
