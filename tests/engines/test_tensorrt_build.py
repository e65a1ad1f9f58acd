"""What TensorRT is asked to build, and when; without a GPU its module is a stand-in that notes what it is told."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest

from napari_centermask.core.errors import BadModel, BadSettings
from napari_centermask.engines.tensorrt_build import Build, built_engine, engine_file

GPU = "NVIDIA H200 (9, 0)"


class Module(SimpleNamespace):
    """The names of `tensorrt` that are used."""

    def __init__(self, version="10.16.1.11", *, weak=True, parses=True):
        self.built, self.config, self.layers = 0, None, []
        flags = {"OBEY_PRECISION_CONSTRAINTS": "obey"} | ({"FP16": "fp16", "BF16": "bf16"} if weak else {})
        super().__init__(
            __version__=version,
            Logger=type("Logger", (), {"ERROR": 1, "__init__": lambda self, level: None}),
            BuilderFlag=SimpleNamespace(**flags),
            MemoryPoolType=SimpleNamespace(WORKSPACE="workspace"),
            NetworkDefinitionCreationFlag=SimpleNamespace(STRONGLY_TYPED=1),
            float32="float32",
            Builder=lambda logger: self,
            Runtime=lambda logger: SimpleNamespace(
                deserialize_cuda_engine=lambda data: None if data == b"damaged" else data
            ),
            OnnxParser=lambda network, logger: SimpleNamespace(
                parse=lambda content: parses, num_errors=1, get_error=lambda n: "Unsupported: NonZero"
            ),
        )

    def create_network(self, flags):
        self.flags = flags
        names = ("node_conv2d", "node_sigmoid_3")
        self.layers = [
            SimpleNamespace(name=n, precision=None, num_outputs=1, types=[], set_output_type=lambda k, t: None)
            for n in names
        ]
        return SimpleNamespace(num_layers=2, get_layer=lambda n: self.layers[n])

    def create_builder_config(self):
        told = self.config = SimpleNamespace(flags=[], limits=[], shapes=None, timing=None)
        told.set_flag = told.flags.append
        told.set_memory_pool_limit = lambda pool, size: told.limits.append((pool, size))
        told.add_optimization_profile = lambda profile: None
        told.create_timing_cache = lambda data: data
        told.set_timing_cache = lambda cache, ignore_mismatch: setattr(told, "timing", cache)
        told.get_timing_cache = lambda: SimpleNamespace(serialize=lambda: b"timings")
        return told

    def create_optimization_profile(self):
        return SimpleNamespace(set_shape=lambda name, *shapes: setattr(self.config, "shapes", (name, shapes)))

    def build_serialized_network(self, network, config):
        self.built += 1
        return b"engine"


@pytest.fixture
def graph(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_CENTERMASK_HOME", str(tmp_path))
    path = tmp_path / "nuclei.dense.onnx"
    path.write_bytes(b"a float32 graph")
    return path


def test_half_has_its_flag_its_float32_layers_its_limit_and_its_shapes(graph):
    trt = Module()
    build = Build(3, "float16", ("node_sigmoid",), workspace=1 << 30, largest=(4, 512, 512))
    assert built_engine(trt, graph, build, gpu=GPU) == b"engine"
    assert trt.config.flags == ["fp16", "obey"]
    assert trt.config.limits == [("workspace", 1 << 30)]
    assert trt.config.shapes == ("image", ((1, 3, 64, 64), (1, 3, 1024, 1024), (4, 3, 512, 512)))
    assert [layer.precision for layer in trt.layers] == [None, "float32"]
    assert trt.flags == 0


def test_an_engine_is_built_once_for_a_version_a_gpu_a_precision_and_a_graph(graph):
    trt, said = Module(), []
    for _ in range(2):
        built_engine(trt, graph, Build(3), gpu=GPU, say=said.append)
    assert (trt.built, len(said)) == (1, 1)
    assert trt.config.timing == b""
    files = {
        engine_file(graph, build, version=v, gpu=gpu)
        for build in (Build(3), Build(3, "float16"), Build(1))
        for v in ("10.16", "11.4")
        for gpu in (GPU, "NVIDIA A100 (8, 0)")
    }
    assert len(files) == 12
    built_engine(trt, graph, Build(3), gpu="NVIDIA A100 (8, 0)")
    assert (trt.built, trt.config.timing) == (2, b"timings")
    graph.write_bytes(b"trained again")
    built_engine(trt, graph, Build(3), gpu=GPU)
    assert trt.built == 3


def test_a_damaged_engine_is_built_again(graph):
    trt = Module()
    path = engine_file(graph, Build(3), version=trt.__version__, gpu=GPU)
    path.write_bytes(b"damaged")
    assert built_engine(trt, graph, Build(3), gpu=GPU) == b"engine"
    assert path.read_bytes() == b"engine"


def test_a_quantised_graph_is_strongly_typed_and_has_no_flags(graph):
    graph.write_bytes(b"... QuantizeLinear ...")
    trt = Module(weak=False)
    built_engine(trt, graph, Build(3, "float16", ("node_sigmoid",)), gpu=GPU)
    assert (trt.flags, trt.config.flags) == (2, [])


def test_tensorrt_11_has_no_flags_for_a_float32_graph(graph):
    with pytest.raises(BadSettings, match=r"TensorRT 11\.4 takes the precision from the graph"):
        built_engine(Module("11.4", weak=False), graph, Build(3, "float16"), gpu=GPU)


def test_a_graph_that_tensorrt_refuses_is_named_with_its_words(graph):
    with pytest.raises(BadModel, match=r"nuclei\.dense\.onnx: Unsupported: NonZero.*engine onnx on device cuda"):
        built_engine(Module(parses=False), graph, Build(3), gpu=GPU)


def test_an_engine_holds_the_tiles_it_was_built_for():
    build = Build(3)
    assert build.holds((1, 3, 64, 64))
    assert build.holds((8, 3, 1152, 1152))
    assert not build.holds((9, 3, 64, 64))
    assert not build.holds((1, 3, 2048, 64))


@pytest.mark.skipif(
    find_spec("tensorrt_bindings") is None and "TENSORRT_BINDINGS" not in os.environ, reason="no bindings"
)
def test_the_names_are_in_the_bindings():
    """The bindings do not import without TensorRT's libraries; names that they define can be looked for in them."""
    folder = os.environ.get("TENSORRT_BINDINGS") or find_spec("tensorrt_bindings").submodule_search_locations[0]
    (library,) = Path(folder).glob("tensorrt*.so")
    content = library.read_bytes()
    names = (
        "STRONGLY_TYPED OBEY_PRECISION_CONSTRAINTS FP16 BF16 WORKSPACE create_timing_cache set_timing_cache serialize"
    )
    names += " builder_optimization_level set_memory_pool_limit create_optimization_profile add_optimization_profile"
    names += (
        " build_serialized_network deserialize_cuda_engine create_execution_context set_input_shape execute_async_v3"
    )
    names += " set_tensor_address get_tensor_shape set_output_type num_layers get_layer num_errors get_error set_shape"
    assert [name for name in names.split() if name.encode() not in content] == []
