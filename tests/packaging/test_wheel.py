"""The wheel in an empty environment: everything is inside, and it works offline without torch or napari."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
needs_model = pytest.mark.skipif(
    not (REPOSITORY / "resources" / "models" / "nuclei").is_dir(), reason="the shipped model is not made yet"
)
# Any attempt to reach the network fails, as on a laptop in the lab.
OFFLINE = """
import socket, sys
def refuse(*args, **kwargs):
    raise OSError("no network in this test")
socket.socket.connect = socket.getaddrinfo = refuse
from napari_centermask.cli import run
sys.exit(run(sys.argv[1:]))
"""
OPEN = """
import napari
viewer = napari.Viewer(show=False)
dock, widget = viewer.window.add_plugin_dock_widget("napari-centermask")
from napari_centermask.widgets.parts.help import HelpButton, HelpWindow
widget.findChild(HelpButton).click()
print(widget.window().findChild(HelpWindow).windowTitle())
print(type(widget).__module__)
import sys
assert not {"torch", "torchvision"} & set(sys.modules)
viewer.close()
"""


def call(*command, **options):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    call(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, REPOSITORY)
    return next(folder.glob("*.whl"))


class Environment:
    """A virtual environment beside the one that runs the tests."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / ("Scripts" if os.name == "nt" else "bin")
        call(sys.executable, "-m", "venv", "--without-pip", folder)

    def install(self, *requirements):
        uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        constraints = ("-c", REPOSITORY / "constraints.txt")
        if uv:
            call(uv, "pip", "install", "--python", self.bin / "python", *constraints, *requirements)
        else:
            call(sys.executable, "-m", "pip", "--python", self.bin / "python", "install", *constraints, *requirements)

    def offline(self, *tokens, cwd):
        """Run our command line from another folder, so that the checkout is out of sight."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        environment["NAPARI_CENTERMASK_HOME"] = str(cwd / "home")
        return call(self.bin / "python", "-c", OFFLINE, *tokens, cwd=cwd, env=environment)


@pytest.fixture(scope="session")
def base(tmp_path_factory, wheel):
    """The wheel and its base dependencies alone."""
    environment = Environment(tmp_path_factory.mktemp("base"))
    environment.install(wheel)
    return environment


@pytest.fixture(scope="session")
def with_napari(tmp_path_factory, wheel):
    """The wheel beside a napari, as a user of napari installs it."""
    environment = Environment(tmp_path_factory.mktemp("napari"))
    environment.install(wheel, "napari[pyqt6]")
    return environment


def test_the_wheel_holds_the_manifest_and_all_resources(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert "napari_centermask/napari.yaml" in names
    tracked = call("git", "ls-files", "resources", cwd=REPOSITORY).split()
    assert {f"napari_centermask/{name}" for name in tracked} <= names
    assert "napari_centermask/py.typed" in names
    shown = [*(REPOSITORY / "docs").glob("*.md"), *(REPOSITORY / "docs" / "gallery").iterdir()]
    pages = {f"napari_centermask/{file.relative_to(REPOSITORY).as_posix()}" for file in shown}
    assert {name for name in names if name.startswith("napari_centermask/docs/")} == pages
    assert not [n for n in names if n.startswith(("tests/", "src/", "docs/"))]


def test_the_base_brings_neither_torch_nor_napari_nor_qt(base):
    code = "import importlib.metadata as m; print([d.name.lower() for d in m.distributions()])"
    installed = call(base.bin / "python", "-c", code)
    for name in ("torch", "napari", "pyqt6", "pyqt5", "pyside6", "onnxruntime"):
        assert f"'{name}'" not in installed


@needs_model
def test_the_base_imports_and_the_doctor_runs(base, tmp_path):
    report = json.loads(call(base.bin / "napari-centermask", "doctor", "--json", cwd=tmp_path))
    checks = {c["name"]: c["ok"] for c in report["checks"]}
    assert checks["engine openvino on cpu"] is True
    assert checks["torch"] is checks["napari"] is checks["Qt"] is None


@needs_model
def test_the_shipped_model_segments_a_sample_offline(base, tmp_path):
    report = json.loads(base.offline("demo", "--no-window", "--json", "--out", "out", cwd=tmp_path))
    assert report["n_instances"] > 20
    assert report["engine"] == "openvino"
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["annotations.json", "labels.tif", "overlay.png"]


def test_napari_accepts_the_manifest_of_the_wheel(with_napari, tmp_path):
    assert "valid" in call(with_napari.bin / "npe2", "validate", "napari-centermask", cwd=tmp_path)


@pytest.mark.skipif(not shutil.which("xvfb-run"), reason="needs Xvfb: sudo bash scripts/system_packages.sh")
def test_napari_opens_the_dock_of_the_wheel(with_napari, tmp_path):
    out = call("xvfb-run", "-a", with_napari.bin / "python", "-c", OPEN, cwd=tmp_path)
    *_, page, module = out.strip().splitlines()
    assert module.startswith("napari_centermask.widgets")
    assert page == "CenterMask: Segment cells in napari"
