"""The notebook's code runs, and it was executed: what it shows is there, small, and without errors."""

import base64
import json

import numpy as np
import pytest

from napari_centermask.io.pages import FOLDER

NOTEBOOK = json.loads((FOLDER / "notebook.ipynb").read_text(encoding="utf-8"))
CODE = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]


def test_its_code_runs(monkeypatch, tmp_path, capsys):
    matplotlib = pytest.importorskip("matplotlib")
    pytest.importorskip("pandas")
    matplotlib.use("Agg")
    monkeypatch.chdir(tmp_path)
    names = {}
    for cell in CODE:
        exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
    shared = int(capsys.readouterr().out.split("of which ")[1].split()[0])
    labels, cells = names["overlapping"].to_labels(), list(names["overlapping"])
    assert shared == sum(c.area for c in cells) - np.count_nonzero(labels) > 0
    assert [p.name for p in tmp_path.iterdir()] == ["cells.json"]
    import matplotlib.pyplot as plt

    assert len(plt.get_fignums()) == 2
    plt.close("all")


def test_it_was_executed_without_errors_and_its_pictures_are_small():
    outputs = [output for cell in CODE for output in cell["outputs"]]
    assert all(cell["execution_count"] for cell in CODE)
    assert not [o for o in outputs if o["output_type"] == "error"]
    pictures = [o["data"]["image/png"] for o in outputs if "image/png" in o.get("data", {})]
    assert len(pictures) == 2
    assert sum(len(base64.b64decode(picture)) for picture in pictures) < 300_000
