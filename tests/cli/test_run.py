"""Mistakes end with one message and code 2, interruption with 130; nothing is half-written."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from napari_centermask import cli
from napari_centermask.core.errors import BadImage, Cancelled
from napari_centermask.io.pages import page_url
from napari_centermask.models.store import zoo


@pytest.fixture(autouse=True)
def no_models(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_CENTERMASK_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(zoo, "shipped_folder", lambda: tmp_path / "shipped")


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "cells.png"
    Image.fromarray(np.zeros((32, 32), np.uint8)).save(path)
    return path


def fails(capsys, *tokens):
    """Run, expect code 2 and one message without a traceback; return the message."""
    assert cli.run([str(t) for t in tokens]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Error: ")
    assert "Traceback" not in err
    return err


@pytest.mark.parametrize(
    ("tokens", "named"),
    [
        (["segment"], "IMAGES"),
        (["segment", "nothing.png"], "nothing.png"),
        (["segment", ".", "--score", "3"], "--score"),
        (["segment", ".", "--score", "high"], "--score"),
        (
            ["segment", ".", "--scales", "1", "1"],
            "Error: --scales: expected different sizes between 0.25 and 4, such as 0.8 1 1.25, got 1 1.\n",
        ),
        (["segment", ".", "--engine", "abacus"], "--engine"),
        (["segment", ".", "--format", "svg"], "--format"),
        (["segment", ".", "--scroe", "0.5"], "--scroe"),
        (["evaluate", "--data", "nowhere"], "nowhere"),
        (["benchmark", "--engines", "abacus"], "--engines"),
        (["benchmark", "--sizes", "big"], "--sizes"),
        (["train"], "--data"),
        (["train", "missing.json"], "missing.json"),
        (["models", "info", "nothing"], "nothing"),
        (["models", "remove", "nothing"], "nothing"),
        (["models", "add", "nothing.safetensors"], "nothing.safetensors"),
        (["export", "nothing"], "nothing"),
        (["dance"], "dance"),
    ],
)
def test_a_mistake_is_named_with_code_2(capsys, tokens, named):
    assert named in fails(capsys, *tokens)


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", '{"stepz": 5}', '{"data": ["a"], "out": "o", "steps": -1}', '{"model": 3}']
)
def test_a_wrong_run_file_is_refused(capsys, tmp_path, text):
    path = tmp_path / "run.json"
    path.write_text(text)
    fails(capsys, "train", path)


def test_a_missing_model_writes_nothing(capsys, image, tmp_path):
    fails(capsys, "segment", image, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_earlier_results_are_kept_without_the_flag(capsys, image, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "annotations.json").write_text("precious")
    assert "--overwrite" in fails(capsys, "segment", image, "--out", out)
    assert (out / "annotations.json").read_text() == "precious"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (KeyboardInterrupt(), 130),
        (Cancelled(), 130),
        (BadImage("mend it"), 2),
        (MemoryError(), 2),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB."), 2),
    ],
)
def test_errors_become_exit_codes(monkeypatch, error, code):
    def fail():
        raise error

    monkeypatch.setattr(zoo, "list_models", fail)
    assert cli.run(["models", "list"]) == code


def test_a_bug_is_not_hidden(monkeypatch):
    for kind in (ValueError, RuntimeError):

        def fail(kind=kind):
            raise kind("a bug")

        monkeypatch.setattr(zoo, "list_models", fail)
        with pytest.raises(kind, match="a bug"):
            cli.run(["models", "list"])


@pytest.mark.parametrize("command", cli._COMMANDS)
def test_help_of_every_command_names_it(capsys, command):
    assert cli.run([command, "--help"]) == 0
    assert command in capsys.readouterr().out


@pytest.mark.parametrize("command", [c for c in cli._COMMANDS if c != "models"])
def test_help_shows_examples(capsys, command):
    cli.run([command, "--help"])
    assert f"napari-centermask {command}" in capsys.readouterr().out.split("For example", 1)[1]


def test_the_module_runs_and_needs_neither_torch_nor_napari():
    code = (
        "import sys; from napari_centermask.cli import run; code = run(['models', 'list']); "
        "heavy = {'torch', 'napari', 'qtpy', 'skimage', 'openvino'} & set(sys.modules); "
        "sys.exit(str(heavy) if heavy else code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_python_m_is_the_command_line():
    command = [sys.executable, "-m", "napari_centermask", "dance"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("Error: ")


def test_a_command_imports_what_it_needs_itself():
    code = (
        "import sys; from napari_centermask import cli; cli.run(['convert', '--help']); "
        "sys.exit('napari_centermask.settings' in sys.modules or 'napari_centermask.cli.segment' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


@pytest.mark.parametrize("command", ["", "--help", "convert", "no-such-command"])
def test_all_commands_are_there_unless_one_is_named(command):
    names = set(cli.make_app(command)) - {"--help", "-h", "--version"}
    assert names == ({"convert"} if command == "convert" else set(cli._COMMANDS))


def test_a_person_at_a_terminal_is_shown_the_page_about_an_error(monkeypatch, capsys, tmp_path):
    missing = str(tmp_path / "missing.tif")
    assert cli.run(["segment", missing, "--model", "absent"]) == 2
    assert "See: https://" not in capsys.readouterr().err
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert cli.run(["segment", missing, "--model", "absent"]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"See: {page_url('faq', 'images')}"
