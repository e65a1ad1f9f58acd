"""Probes find what is broken and survive it."""

from pathlib import Path

import pytest

from napari_centermask.cli import probes


def test_a_probe_tells_its_detail():
    assert probes.probe('print(json.dumps({"detail": "fine"}))') == (True, "fine")


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "signal 11"),
        ("raise RuntimeError('no driver')", "RuntimeError: no driver"),
        ("import sys; sys.exit(3)", "code 3"),
        ("print('chatter')", "did not answer"),
        ("while True: pass", "within 1 s"),
    ],
)
def test_a_probe_survives_what_it_tries(code, expected):
    worked, detail = probes.probe(code, timeout_s=1)
    assert not worked
    assert expected in detail


def _install(folder, name, package):
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "top_level.txt").write_text(package + "\n")
    (info / "RECORD").write_text("")


def test_two_onnx_runtimes_in_one_folder_are_a_clash(tmp_path, monkeypatch):
    folder = tmp_path / "site"
    folder.mkdir()
    for name in ("onnxruntime", "onnxruntime-gpu"):
        _install(folder, name, "onnxruntime")
    monkeypatch.setattr("sys.path", [str(folder)])
    check = probes.check_clash()
    assert check.ok is False
    assert "onnxruntime and onnxruntime-gpu" in check.detail
    assert check.remedy.startswith("pip uninstall -y onnxruntime onnxruntime-gpu && pip install")


def test_one_onnx_runtime_is_no_clash(tmp_path, monkeypatch):
    _install(tmp_path, "onnxruntime-gpu", "onnxruntime")
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    assert probes.check_clash().ok


@pytest.mark.parametrize(("version", "is_good"), [("5.12.8", False), ("5.15.14", True), ("6.4.0", True)])
def test_a_qt_that_is_too_old_for_napari_is_named(monkeypatch, version, is_good):
    monkeypatch.setattr(probes, "probe", lambda code, timeout_s=1: (True, f"PyQt5, Qt {version}, xcb"))
    check = probes.check_qt()
    assert check.ok is is_good
    assert ("too old" in check.detail) is bool(check.remedy) is not is_good


@pytest.mark.parametrize(("python", "is_good"), [((3, 11), False), ((3, 12), True)])
def test_the_pyside_that_ends_napari_is_named(monkeypatch, python, is_good):
    monkeypatch.setattr(probes, "probe", lambda code, timeout_s=1: (True, "PySide6, Qt 6.12.0, xcb"))
    monkeypatch.setattr(probes.sys, "version_info", python)
    assert probes.check_qt().ok is is_good


def test_the_packages_that_qt_needs_are_those_that_are_installed_here():
    script = (Path(__file__).parents[2] / "scripts" / "system_packages.sh").read_text()
    needed = script[script.index("(") + 1 : script.index(")")].split()
    assert probes.QT_LIBRARIES.split() == [p for p in needed if p not in ("python3-venv", "xvfb", "xauth")]


def test_which_engine_is_taken_is_said():
    check = probes.check_auto("nuclei")
    assert check.ok
    assert check.detail == "uses openvino on cpu."


@pytest.mark.parametrize(
    ("there", "detail"),
    [
        (("nncf", "torch_pruning"), "nncf 3"),
        (("nncf",), "not installed: torch-pruning, for pruning of channels"),
        ((), "nncf, for quantisation with the method nncf; torch-pruning, for pruning of channels"),
    ],
)
def test_what_some_steps_of_a_compression_need_is_said_with_its_command(monkeypatch, there, detail):
    monkeypatch.setattr(probes, "find_spec", lambda name: name in there or None)
    monkeypatch.setattr(probes, "probe", lambda code: (True, "nncf 3.0, torch-pruning 1.6"))
    check = probes.check_compression()
    assert check.ok is (True if len(there) == 2 else None)
    assert detail in check.detail
    assert check.remedy == ("" if check.ok else probes.how_to_install("compress"))
