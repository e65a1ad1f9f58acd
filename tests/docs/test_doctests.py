"""The examples of the docstrings do what they say, in all modules that need neither Qt nor torch."""

import doctest
import importlib
from pathlib import Path

import pytest

import napari_centermask as ncm

SOURCE = Path(ncm.__file__).parent
MODULES = sorted(
    ".".join(("napari_centermask", *file.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__")
    for file in SOURCE.rglob("*.py")
    if "docs" not in file.relative_to(SOURCE).parts and ">>> " in file.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_hold(name):
    failed, tried = doctest.testmod(importlib.import_module(name), extraglobs={"ncm": ncm})
    assert failed == 0
    assert tried


def test_what_people_call_has_examples():
    public = {"api", "core.instances", "core.compose", "core.history", "core.measure", "core.result"}
    assert {f"napari_centermask.{name}" for name in public} <= set(MODULES)
