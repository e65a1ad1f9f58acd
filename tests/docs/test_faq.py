"""The messages that the page of errors explains are those of the program."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from napari_centermask.core import errors
from napari_centermask.io.pages import page_file, slug

ROOT = Path(__file__).parents[2]
TEXT = page_file("faq").read_text(encoding="utf-8")
MESSAGES = re.findall(r"^### `(.+)`$", TEXT, re.MULTILINE)


@cache
def texts() -> str:
    """All texts of the program, with an ellipsis in the place of every value."""
    found = []
    for file in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                found.append("".join(v.value if isinstance(v, ast.Constant) else "…" for v in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return "\n".join(found)


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_of_the_page_stands_in_the_program(message):
    parts = [part for part in re.split("…+", message) if len(part.strip(" .")) > 3]
    assert parts
    assert [part for part in parts if part not in texts()] == []


def test_most_kinds_of_errors_are_explained():
    assert len(MESSAGES) >= 30


def test_every_kind_of_error_leads_to_a_section_that_is_there():
    kinds = [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, errors.UserError)]
    assert len(kinds) >= 10
    for kind in kinds:
        page, _, anchor = kind.page.partition("#")
        headings = re.findall(r"^#+ (.+)$", page_file(page).read_text(encoding="utf-8"), re.MULTILINE)
        assert not anchor or anchor in map(slug, headings), kind
