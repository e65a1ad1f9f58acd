"""Probes find what is broken and survive it."""

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
