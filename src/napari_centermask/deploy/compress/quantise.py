"""Graphs in INT8: static, dynamic, and by NNCF. Storage in 16 bits is `deploy.half_storage`.

Static INT8 is QDQ with a scale for each output channel of the weights, unsigned activations and signed weights: the form that
both ONNX Runtime and OpenVINO compute in 8 bits. Signed activations were slower than float32 on
ONNX Runtime.
"""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_centermask.core.errors import MissingExtra
from napari_centermask.core.extras import how_to_install
from napari_centermask.deploy.compress.calibrate import Feed
from napari_centermask.deploy.compress.graph import AROUND, LAYERS, inner_nodes, name_nodes
from napari_centermask.deploy.half_storage import with_float_weights
from napari_centermask.engines.graphs import DENSE_INPUT
from napari_centermask.engines.openvino import no_telemetry

if TYPE_CHECKING:
    from onnx import ModelProto

_TRIALS, _TRIAL_SIDE = 4, 256
"""Calls in which the layers are compared, and the longest side of their tiles in pixels: choices, a minute for 40 layers."""


class StaticQuantiser:
    """One graph with the ranges of its values, from which INT8 graphs are made.

    Parameters
    ----------
    path
        A float graph.
    feeds
        Its inputs on real images, see `calibrate`.
    folder
        For temporary files.
    seven_bits
        Weights of 7 bits: processors without VNNI add products of 8 bits in 16, which may overflow.

    Raises
    ------
    MissingExtra
        If onnx or ONNX Runtime is not installed.
    """

    def __init__(self, path: Path, feeds: Sequence[Feed], folder: Path, *, seven_bits: bool = False) -> None:
        check_packages()
        self._feeds, self._seven_bits = feeds, seven_bits
        self._model = _prepared(path, folder / f"{path.stem}-prepared.onnx")
        inner = inner_nodes(self._model)
        self._around = [node.name for node in inner if node.op_type not in LAYERS]
        self.layers = [node.name for node in inner if node.op_type in LAYERS]
        self._ranges = _ranges(folder / f"{path.stem}-prepared.onnx", feeds, folder / f"{path.stem}-augmented.onnx")

    def graph(self, *, keep: Collection[str] = (), only: Collection[str] | None = None) -> ModelProto:
        """The graph in INT8.

        Parameters
        ----------
        keep
            Layers that stay float.
        only
            Quantise these layers and nothing else.
        """
        import onnx
        from onnxruntime.quantization import QDQQuantizer, QuantType

        chosen = [n for n in self.layers if n not in keep] + self._around if only is None else list(only)
        model = onnx.ModelProto()
        model.CopyFrom(self._model)
        if not chosen:
            return model
        with _quiet():
            quantiser = QDQQuantizer(
                model,
                True,  # a scale for each channel
                self._seven_bits,
                QuantType.QInt8,
                QuantType.QUInt8,
                self._ranges,
                chosen,
                [],
                [*LAYERS, *AROUND],
                {},
            )
            quantiser.quantize_model()
        quantised: ModelProto = quantiser.model.model
        return quantised

    def noise(self) -> Iterator[tuple[str, float]]:
        """How much each layer in INT8 alone disturbs the outputs.

        Yields
        ------
        name, noise
            Power of the difference over the variance of the output, the largest of all outputs.
        """
        largest = sorted(self._feeds, key=lambda feed: -max(value.size for value in feed.values()))
        feeds = [_smaller(feed) for feed in largest[:_TRIALS]]
        expected = _run(self._model, feeds)
        for layer in self.layers:
            yield layer, noise_of(expected, _run(self.graph(only=[layer]), feeds))


def check_packages() -> None:
    """Raise `MissingExtra` if what makes quantised graphs is not installed."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise MissingExtra(f"Compression needs {error.name}: {how_to_install('train')}") from error


def dynamic(path: Path, out: Path) -> ModelProto:
    """Weights in INT8, the ranges of activations found anew in each call; `out` is written on the way."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = with_float_weights(path)
    del model.graph.value_info[:]  # the exporter's, which do not hold for transposed weights
    onnx.save(model, out)
    with _quiet():
        quantize_dynamic(out, out, per_channel=False, weight_type=QuantType.QUInt8, op_types_to_quantize=list(LAYERS))
    return onnx.load(out)


def with_nncf(path: Path, feeds: Sequence[Feed]) -> ModelProto:
    """Static INT8 by NNCF, which also corrects the biases for what rounding shifts.

    Raises
    ------
    MissingExtra
        If NNCF is not installed.
    """
    try:
        with _quiet(), no_telemetry():
            import nncf
    except ImportError as error:
        raise MissingExtra(f"The method nncf needs NNCF: {how_to_install('compress')}") from error
    model = with_float_weights(path)
    name_nodes(model)
    inner = {node.name for node in inner_nodes(model)}
    kept = [node.name for node in model.graph.node if node.name not in inner]
    nncf.set_log_level(logging.ERROR)
    with _quiet():
        quantised: ModelProto = nncf.quantize(
            model,
            nncf.Dataset(feeds),
            subset_size=len(feeds),
            ignored_scope=nncf.IgnoredScope(names=kept, validate=False),
        )
    return quantised


def _prepared(path: Path, out: Path) -> ModelProto:
    """The graph with constants folded, layers fused and shapes known; `out` is written too."""
    import onnx
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with _quiet():
        quant_pre_process(str(path), str(out), skip_symbolic_shape=True)  # which fails on dynamic sizes
    model = onnx.load(out)
    name_nodes(model)
    onnx.save(model, out)
    return model


def _ranges(path: Path, feeds: Sequence[Feed], augmented: Path) -> Any:
    """Smallest and largest value of each tensor."""
    from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, create_calibrator

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self._feeds = iter(feeds)

        def get_next(self) -> Mapping[str, np.ndarray] | None:
            return next(self._feeds, None)

    with _quiet():
        calibrator = create_calibrator(path, [*LAYERS, *AROUND], str(augmented), CalibrationMethod.MinMax)
        calibrator.collect_data(Reader())
        return calibrator.compute_data()


def _smaller(feed: Feed) -> Feed:
    return {k: v[..., :_TRIAL_SIDE, :_TRIAL_SIDE] if k == DENSE_INPUT else v for k, v in feed.items()}


def _run(model: ModelProto, feeds: Sequence[Feed]) -> list[list[np.ndarray]]:
    """The outputs of each call."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    known = {value.name for value in session.get_inputs()}
    return [session.run(None, {k: v for k, v in feed.items() if k in known}) for feed in feeds]


def noise_of(expected: Sequence[Sequence[np.ndarray]], actual: Sequence[Sequence[np.ndarray]]) -> float:
    """Power of the difference over the variance, of the output for which it is largest; over all calls together."""
    worst = 0.0
    for a, b in zip(zip(*expected, strict=True), zip(*actual, strict=True), strict=True):  # output by output
        truth, found = (np.concatenate([part.ravel() for part in parts]) for parts in (a, b))
        if truth.size:
            worst = max(worst, float(np.mean((truth - found) ** 2) / max(np.var(truth), 1e-12)))
    return worst


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the notes that the quantisers print and log."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(level)
