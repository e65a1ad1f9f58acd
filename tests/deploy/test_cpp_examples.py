"""The examples in C++: the first one finds the cells that Python finds, the second one compiles, where there are headers."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image

from napari_centermask.deploy import one_graph
from napari_centermask.models.store import zoo

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "cpp"
CAPI = Path(onnxruntime.__file__).parent / "capi"
COMPILE = ["g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-Wno-deprecated-declarations"]


def headers(name, variable, *folders):
    """The folder with a header; the test is skipped without."""
    known = [os.environ.get(variable, ""), *folders]
    found = next((folder for folder in known if folder and (Path(folder) / name).is_file()), None)
    if found is None or shutil.which("g++") is None:
        pytest.skip(f"{name} or g++ is not installed; {variable} names a folder with it (examples/cpp/README.md)")
    return ["-isystem", str(found)]


@pytest.fixture(scope="module")
def detect(tmp_path_factory):
    """The compiled example, linked with the library in ONNX Runtime's wheel."""
    include = headers("onnxruntime_cxx_api.h", "ONNXRUNTIME_INCLUDE", "/usr/include/onnxruntime")
    library, program = next(CAPI.glob("libonnxruntime.so.*")), tmp_path_factory.mktemp("cpp") / "detect"
    (program.parent / "libonnxruntime.so.1").symlink_to(library)  # its name for the loader, which the wheel leaves out
    linked = [str(library), f"-Wl,-rpath,{program.parent}"]
    subprocess.run([*COMPILE, *include, str(EXAMPLES / "detect.cpp"), "-o", str(program), *linked], check=True)
    return str(program)


def test_the_example_of_onnx_runtime_finds_what_python_finds(detect, tmp_path):
    nuclei = zoo.find_model("nuclei")
    one_graph.join(*nuclei.graphs, tmp_path / "nuclei.detector.onnx", nuclei.card)
    image = Image.open(ROOT / "resources" / "samples" / "nuclei_fluorescence_small.png").resize((300, 464))
    image.save(tmp_path / "field.pgm")
    command = [detect, "nuclei.detector.onnx", "field.pgm"]
    lines = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout.splitlines()
    found = np.array([line.split() for line in lines], float)

    session = onnxruntime.InferenceSession(tmp_path / "nuclei.detector.onnx", providers=["CPUExecutionProvider"])
    planes = np.stack([np.asarray(image, np.float32)] * 3)[None]
    boxes, scores, classes, masks = session.run(["boxes", "scores", "classes", "masks"], {"image": planes})
    assert len(found) == len(boxes) > 5
    np.testing.assert_allclose(found[:, :4], boxes, atol=2e-3)
    np.testing.assert_allclose(found[:, 4], scores, atol=2e-5)
    assert (found[:, 5] == classes).all()
    expected = (masks >= 0.5).mean(axis=(1, 2)) * (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    np.testing.assert_allclose(found[:, 6], expected, rtol=0.15, atol=40)


def test_the_example_refuses_what_is_no_image(detect, tmp_path):
    (tmp_path / "field.pgm").write_bytes(b"P6 2 2 255\n")
    ended = subprocess.run([detect, "no.onnx", "field.pgm"], cwd=tmp_path, capture_output=True, text=True)
    assert (ended.returncode, "not a binary PGM" in ended.stderr) == (2, True)


def test_the_example_of_tensorrt_compiles():
    include = headers("NvInfer.h", "TENSORRT_INCLUDE", "/usr/include/x86_64-linux-gnu", "/usr/include")
    include += headers("cuda_runtime_api.h", "CUDA_INCLUDE", "/usr/local/cuda/include")
    subprocess.run([*COMPILE, "-fsyntax-only", *include, str(EXAMPLES / "tensorrt_dense.cpp")], check=True)
