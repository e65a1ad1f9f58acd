"""The Python of README and docs/python.md uses what there is."""

import ast
import inspect
import re
import textwrap
from pathlib import Path

import pytest

import napari_centermask as ncm

ROOT = Path(__file__).parents[2]
PLACES = {"README.md": ROOT / "README.md", "python.md": ROOT / "docs" / "python.md"}


def blocks(file):
    """The indented code of a page that uses the package."""
    found = re.findall(r"(?:^ {4}.*\n|^\n)+", file.read_text(encoding="utf-8"), re.MULTILINE)
    return [textwrap.dedent(text) for text in found if "ncm." in text]


@pytest.mark.parametrize("place", PLACES)
def test_every_name_and_keyword_is_there(place):
    code = blocks(PLACES[place])
    assert code
    for call in (node for text in code for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)):
        if isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) in ("ncm", "cells"):
            owner = ncm if ast.unparse(call.func.value) == "ncm" else ncm.Cells
            signature = inspect.signature(getattr(owner, call.func.attr))
            takes_any = any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
            assert takes_any or {k.arg for k in call.keywords} <= set(signature.parameters)


def test_the_readme_shows_the_api_in_ten_lines():
    (code,) = blocks(PLACES["README.md"])
    lines = [line for line in code.splitlines() if line.strip()]
    assert len(lines) <= 11
    for name in ("segment", "to_labels", "regionprops_table", "save", "read_coco", "fine_tune"):
        assert name in code
