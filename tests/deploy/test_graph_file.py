"""A graph is written simplified and checked, with the opset that it needs; operators that ONNX lacks are named."""

import onnx
import pytest
import torch
from onnxscript import opset20 as op
from torch import nn

from napari_centermask.core.errors import BadSettings, UserError
from napari_centermask.deploy import export, graph_file
from napari_centermask.models.store.classifier_card import ClassifierCard
from napari_centermask.settings import ClassifierSettings

CARD = ClassifierCard(name="c", licence="CC0-1.0", model=ClassifierSettings(categories=["a", "b"], in_channels=1))


@torch.library.custom_op("ncm_test::odd", mutates_args=())
def odd(x: torch.Tensor) -> torch.Tensor:
    """An operator that ONNX does not have."""
    return x + 1


@odd.register_fake
def _(x):
    return torch.empty_like(x)


class Odd(nn.Module):
    def forward(self, x):
        return torch.ops.ncm_test.odd(x)


class Net(nn.Module):
    def __init__(self, last):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), last)

    def forward(self, image):
        return self.body(image) * (2 * torch.ones(1))


def write(last, path, **options):
    shapes = ({0: torch.export.Dim("batch", min=1, max=8)},)
    return graph_file.write_graph(
        Net(last), (torch.rand(2, 1, 8, 8),), path, CARD, ["image"], ["out"], shapes, **options
    )


def test_constants_and_normalisation_are_folded(tmp_path):
    assert write(nn.ReLU(), tmp_path / "net.onnx") == 20
    kinds = [node.op_type for node in onnx.load(tmp_path / "net.onnx").graph.node]
    assert kinds == ["Conv", "Relu", "Mul"]


def test_an_operator_that_onnx_lacks_is_named_with_its_module_and_nothing_is_written(tmp_path):
    with pytest.raises(
        graph_file.UnsupportedOperator, match=r"ncm_test\.odd\.default, which is used in body\.2 \(Odd\)"
    ):
        write(Odd(), tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_registered_translation_writes_it(tmp_path, monkeypatch):
    def odd_in_onnx(x):
        return op.Add(x, op.Constant(value_float=1.0))

    monkeypatch.setitem(graph_file.TRANSLATIONS, torch.ops.ncm_test.odd.default, odd_in_onnx)
    write(Odd(), tmp_path / "net.onnx")
    assert [node.op_type for node in onnx.load(tmp_path / "net.onnx").graph.node] == ["Conv", "Add", "Mul"]


def test_another_opset_is_taken_where_the_first_one_fails(tmp_path, monkeypatch):
    translate = graph_file._translate

    def picky(*args):
        if args[-1] == 20:
            raise torch.onnx.errors.OnnxExporterError("no")
        return translate(*args)

    monkeypatch.setattr(graph_file, "_translate", picky)
    assert write(nn.ReLU(), tmp_path / "net.onnx", opset=20) == 21
    assert onnx.load(tmp_path / "net.onnx").opset_import[0].version == 21


def test_an_opset_that_cannot_be_written_is_refused():
    with pytest.raises(BadSettings, match="18, 19, 20, 21, 22, 23, not 17"):
        export.check_opset(17)


def test_a_graph_that_contradicts_itself_is_refused(tmp_path):
    write(nn.ReLU(), tmp_path / "net.onnx")
    graph = onnx.load(tmp_path / "net.onnx")
    graph.graph.node[0].op_type = "Konv"
    onnx.save(graph, tmp_path / "bad.onnx")
    with pytest.raises(UserError, match="not valid ONNX"):
        graph_file.check_file(tmp_path / "bad.onnx")


class LooksAtTheBatch(nn.Module):
    def forward(self, x):
        return x * 2 if len(x) == 2 else x


def test_a_size_that_must_be_free_and_is_not_is_named(tmp_path):
    with pytest.raises(UserError, match=r"'image' in one size only \(axis 0 is 2\)"):
        write(LooksAtTheBatch(), tmp_path / "net.onnx")
