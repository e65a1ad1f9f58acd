"""Packages for the BioImage Model Zoo have all that is needed to run them, and bioimageio.core does where it is installed."""

import io
import json
import zipfile

import numpy as np
import pytest

from napari_centermask.deploy import bioimage, export_bioimage, one_graph
from napari_centermask.deploy.parity import ParityError, open_session
from napari_centermask.deploy.real_images import network_input, sample_images
from napari_centermask.models.store import zoo


@pytest.fixture(scope="module", params=["unet-nuclei", "nuclei"])
def package(request, tmp_path_factory):
    """The package of an included model, and its card; bioimageio.core is left out, whether it is there or not."""
    folder, files = tmp_path_factory.mktemp("package"), zoo.find_model(request.param)
    card, graph, path = files.card, files.graphs[0], folder / "p.bioimageio.zip"
    is_detector = one_graph.can_be_joined(card)
    if is_detector:
        graph = folder / "nuclei.detector.onnx"
        one_graph.join(*files.graphs, graph, card)
    image = export_bioimage._test_image(card, graph if is_detector else None, sample_images(card))
    tile = None if is_detector else network_input(image, card)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bioimage, "find_spec", lambda name: None)
        assert bioimage.write_package(path, graph, card, 20, image, tile) is False
    return path, card


def test_it_gives_its_test_outputs_for_its_test_input(package, tmp_path):
    path, card = package
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path)
    description = json.loads((tmp_path / "bioimageio.yaml").read_text())
    (given,) = description["inputs"]
    image = np.load(tmp_path / given["test_tensor"]["source"])
    session = open_session(tmp_path / description["weights"]["onnx"]["source"])
    assert [i.name for i in session.get_inputs()] == ["image"]
    tile = image if one_graph.can_be_joined(card) else network_input(image[0], card)
    outputs = session.run([output["id"] for output in description["outputs"]], {"image": tile})
    for output, values in zip(description["outputs"], outputs, strict=True):
        np.testing.assert_allclose(values, np.load(tmp_path / output["test_tensor"]["source"]), atol=1e-3)
        assert output["data"]["type"] == str(values.dtype)
        assert len(output["axes"]) == values.ndim
        assert abs(values).max() > 1e-5


def test_it_says_what_it_is_and_has_the_card(package):
    path, card = package
    with zipfile.ZipFile(path) as archive:
        description = json.load(io.TextIOWrapper(archive.open("bioimageio.yaml")))
        names = archive.namelist()
    assert {"README.md", "cover.png", "test_input.npy"} <= set(names)
    assert description["license"] == card.licence
    assert json.loads(description["config"]["napari_centermask"]["card"]) == json.loads(card.to_json())


def test_a_package_that_the_zoo_refuses_is_not_written(package, tmp_path, monkeypatch):
    def refuse(path):
        raise ParityError("bioimageio.core refuses the package")

    files = zoo.find_model("unet-nuclei")
    image = np.random.default_rng(0).random((1, 64, 64), np.float32)
    monkeypatch.setattr(bioimage, "find_spec", lambda name: name)
    monkeypatch.setattr(bioimage, "check_package", refuse)
    tile = network_input(image, files.card)
    with pytest.raises(ParityError):
        bioimage.write_package(tmp_path / "p.bioimageio.zip", files.graphs[0], files.card, 20, image, tile)
    assert list(tmp_path.iterdir()) == []


# bioimageio.core leaves the zip file open.
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_bioimageio_core_validates_and_runs_it(package):
    pytest.importorskip(
        "bioimageio.core", reason="bioimageio.core is not installed: the extra bioimageio, in its own environment"
    )
    bioimage.check_package(package[0])
