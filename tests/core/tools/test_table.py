"""The table of tools names functions, edits and what they act on."""

from __future__ import annotations

import inspect
from functools import partial

import pytest
from drawn import plane, square

from napari_centermask.core import tools
from napari_centermask.core.result import Result


def field() -> Result:
    result = Result((20, 20))
    result.put((), plane(square(2, 2, 8, 8), square(10, 2, 18, 10)))
    return result


@pytest.mark.parametrize("tool", tools.TOOLS.values(), ids=list(tools.TOOLS))
def test_the_table_names_what_each_function_takes(tool):
    function, fixed = tool.function, {}
    if isinstance(function, partial):
        function, fixed = function.func, function.keywords
    takes = inspect.signature(function).parameters
    first, *rest = [name for name in takes if name not in fixed]
    assert first == "cells"
    assert ("shows" in rest) == tool.sees_others
    if tool.acts_on != "plane":
        assert rest.pop(0) == {"cell": "id", "cells": "ids"}[tool.acts_on]
    own = [name for name in rest if name not in ("shows", "fields", "win")]
    assert set(own) <= set(tool.arguments)
    assert "fields" in takes or set(own) == set(tool.arguments)


def test_a_tool_of_the_table_changes_cells_and_names_its_edit():
    result = field()
    grow = tools.TOOLS["grow"]
    (change,) = grow.changes(result, (), (1,), n=1)
    assert (change.id, change.after.area > change.before.area) == (1, True)
    assert grow.edit_name((1,)) == "growth of cell 1"
    assert grow.edit_name((1, 2)) == "growth of 2 cells"
    assert grow.changes(result, (), (), n=1) == grow.changes(result, (), (1, 7), n=1) == []
    with pytest.raises(TypeError, match="takes"):
        grow.changes(result, (), (1,), line=())


def test_tools_act_on_the_first_cell_on_all_or_on_none():
    assert tools.TOOLS["split_auto"].targets((3, 4)) == (3,)
    assert tools.TOOLS["merge"].targets((3, 4)) == (3, 4)
    assert tools.TOOLS["new_cell"].targets((3, 4)) == ()
