"""Carry out a step of a compression: the graphs that it makes, with their card, and how they are judged."""

from __future__ import annotations

import datetime
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_centermask.core.counted import counted
from napari_centermask.core.errors import MissingExtra
from napari_centermask.core.extras import how_to_install
from napari_centermask.core.progress import silent
from napari_centermask.deploy.compress import quantise
from napari_centermask.deploy.compress.calibrate import Calibration, calibrate
from napari_centermask.deploy.compress.graph import gflops, set_card
from napari_centermask.deploy.compress.judge import Judge, Scores
from napari_centermask.deploy.compress.plan import DistilStep, Plan, PruneStep, QatStep, QuantiseStep, Step
from napari_centermask.deploy.half_storage import round_to_half, with_half_weights
from napari_centermask.engines import AnyEngine
from napari_centermask.engines.load import load_engine
from napari_centermask.io.images import read_plane
from napari_centermask.io.whole_file import whole_files
from napari_centermask.models.families import family_of
from napari_centermask.models.store import zoo
from napari_centermask.models.store.card import ModelCard
from napari_centermask.models.store.registry import weights_hash
from napari_centermask.settings import SegmentSettings

Say = Callable[[str], None]
KEPT_FLOAT = (0.0, 0.1, 0.25, 0.5)
"""Fractions of the layers that stay float, tried one after another until the loss is accepted; choices."""
_DROPPED = ("curves", "machine")  # of the start model's training: they are in its own card, and a third of a small file


@dataclass(frozen=True)
class Made:
    """What a step has made.

    Attributes
    ----------
    title
        For the table.
    files
        Its graphs.
    done
        What was done, for the card.
    gflops
        Of the graph of an image on a tile of 512 x 512.
    scores
        As judged.
    network
        In torch; None until a step trains.
    """

    title: str
    files: zoo.ModelFiles
    done: tuple[dict[str, Any], ...]
    gflops: float
    scores: Scores
    network: Any = None


class Maker:
    """Makes the models of the steps, each from the one before.

    Parameters
    ----------
    start
        The model that the plan begins with.
    images
        To calibrate on.
    data
        Folder with annotations to train and to judge on; None without.
    judge
        Scores every model.

    Attributes
    ----------
    say
        Called with how far it is.
    """

    def __init__(
        self,
        plan: Plan,
        start: zoo.ModelFiles,
        images: Sequence[Path],
        data: Path | None,
        judge: Judge,
        *,
        say: Say = silent,
    ) -> None:
        self.plan, self.start, self.images, self.data, self.judge = plan, start, images, data, judge
        self.say = say
        self._calibration: Calibration | None = None

    def begin(self) -> Made:
        """The start model, judged."""
        scores = self.judge.start(self._engine(self.start))
        return Made(self.start.name, self.start, (), gflops(_first(self.start)), scores)

    def make(self, step: Step, before: Made, folder: Path) -> Made:
        """The model of a step, in a folder."""
        if isinstance(step, QuantiseStep):
            return self._quantised(step, before, folder)
        return self._trained(step, before, folder)

    def _engine(self, files: zoo.ModelFiles) -> AnyEngine:
        return load_engine(files, engine=self.plan.engine, device="cpu", precision="float32")

    def _trained(self, step: PruneStep | DistilStep | QatStep, before: Made, folder: Path) -> Made:
        """A step that trains: the new network is exported, which compares its graphs with torch, with weights of 16 bits."""
        try:
            from napari_centermask.deploy.compress import trained
            from napari_centermask.deploy.export import export
        except ImportError as error:
            raise MissingExtra(f"The step {step.do} needs {error.name}: {how_to_install('compress')}") from error
        network = before.network if before.network is not None else trained.load_network(self.plan.model)[0]
        assert self.data is not None  # see `check_order`
        card = self.start.card.model_copy(update={"name": self.plan.model})  # under which it is found here
        network = trained.do_step(step, network, card, self.data, self.plan.out, self.say)
        round_to_half(network)
        done = {"step": step.do} | step.model_dump(mode="json", exclude={"do", "accepted"}, exclude_defaults=True)
        steps = (*before.done, done)
        card = self._card(steps).model_copy(update={"model": network.settings})
        images = {path.name: read_plane(path) for path in self.images[:2]}
        export(network, card, folder, name=self.start.name, images=images)
        files = zoo.find_model(folder)
        scores = self.judge.score(self._engine(files))
        title = f"{before.title} + {step.do}" if before.done else step.do
        return Made(title, files, steps, gflops(_first(files)), scores, network)

    def _quantised(self, step: QuantiseStep, before: Made, folder: Path) -> Made:
        if step.method == "static":
            return self._static(step, before, folder)
        done: dict[str, Any] = {"step": "quantise", "method": step.method}
        with tempfile.TemporaryDirectory() as temporary:
            graphs = {}
            for name, path in graphs_of(before.files).items():
                if step.method == "float16":
                    graphs[name] = with_half_weights(path)
                elif step.method == "dynamic":
                    graphs[name] = quantise.dynamic(path, Path(temporary) / path.name)
                else:
                    graphs[name] = quantise.with_nncf(path, self.calibration().feeds[name])
        if step.method == "nncf":
            done["images"] = self.calibration().n_images
        return self._judged(step.method, before, done, graphs, folder)

    def _static(self, step: QuantiseStep, before: Made, folder: Path) -> Made:
        """INT8 with as many layers in float as the accepted loss needs, or as the step says."""
        with tempfile.TemporaryDirectory() as temporary:
            makers = {}
            for name, path in graphs_of(before.files).items():
                self.say(f"Measuring the ranges of {name}")
                feeds = self.calibration().feeds[name]
                makers[name] = quantise.StaticQuantiser(path, feeds, Path(temporary), seven_bits=step.seven_bits)
            tried = KEPT_FLOAT if step.keep_float is None else (step.keep_float,)
            order: dict[str, list[str]] = {name: [] for name in makers}
            for part in tried:
                if part and not any(order.values()):
                    self.say("Measuring how sensitive each layer is")
                    order = {
                        n: sorted(noise, key=noise.__getitem__, reverse=True) for n, noise in _noises(makers).items()
                    }
                keep = {name: layers[: round(part * len(layers))] for name, layers in order.items()}
                done: dict[str, Any] = {"step": "quantise", "method": "static", "images": self.calibration().n_images}
                done |= {"kept_float": keep, "seven_bits": step.seven_bits}
                graphs = {name: maker.graph(keep=keep[name]) for name, maker in makers.items()}
                title = "int8" if not part else f"int8, {part:.0%} of the layers float"
                made = self._judged(title, before, done, graphs, folder)
                if is_accepted(made.scores, before.scores, self.plan.accepted):
                    break
        return made

    def calibration(self) -> Calibration:
        """Measured once."""
        if self._calibration is None:
            self.say(f"Segmenting {counted(len(self.images), 'image')} to calibrate on")
            settings = SegmentSettings(diameter=self.plan.diameter)
            self._calibration = calibrate(self._engine(self.start), self.images, settings, say=self.say)
        return self._calibration

    def _judged(self, title: str, before: Made, done: dict[str, Any], graphs: dict[str, Any], folder: Path) -> Made:
        """Write graphs with a card, judge them, and write what they scored into the card."""
        steps = (*before.done, done)
        form = {"model": before.files.card.model}
        files = _write(graphs, folder, self.start.name, self._card(steps).model_copy(update=form))
        scores = self.judge.score(self._engine(files))
        files = _write(graphs, folder, self.start.name, self._card(steps, scores, files.size).model_copy(update=form))
        return Made(f"{before.title} + {title}" if before.done else title, files, steps, before.gflops, scores)

    def _card(self, steps: tuple[dict[str, Any], ...], scores: Scores | None = None, size: int = 0) -> ModelCard:
        start = self.start
        training = {k: v for k, v in start.card.training.items() if k not in _DROPPED}
        if start.weights is not None:
            training["parent_sha256"] = weights_hash(start.weights)
        training["compression"] = {"steps": list(steps), "bytes": size}
        metrics: dict[str, Any] = {}
        if scores is not None:
            same = {"f1_iou50": scores.same50, "f1_iou90": scores.same90, "images": len(self.judge.records)}
            metrics["parity"] = {"same_cells_as": start.name, **same}
            if self.data is not None:
                metrics[self.plan.split or "all"] = {self.data.resolve().name: self.judge.report}
        what = ", ".join(step.get("method", step["step"]) for step in steps)
        return start.card.model_copy(
            update={
                "name": self.plan.name or f"{start.name}-compressed",
                "parent": start.card.name,
                "training": training,
                "metrics": metrics,
                "created": datetime.date.today().isoformat(),
                "description": f"{start.card.description} Compressed from {start.name}: {what}.".strip(),
            }
        )


def is_accepted(scores: Scores, start: Scores, accepted: float) -> bool:
    """Whether the AP50 is at most `accepted` below that of the start model."""
    return (start.ap50 or 0.0) - (scores.ap50 or 0.0) <= accepted


def graphs_of(files: zoo.ModelFiles) -> dict[str, Path]:
    """The graphs of a model by their names."""
    assert files.graphs is not None
    return dict(zip(family_of(files.card).graphs, files.graphs, strict=True))


def _first(files: zoo.ModelFiles) -> Path:
    """The graph of an image."""
    return next(iter(graphs_of(files).values()))


def _noises(makers: dict[str, quantise.StaticQuantiser]) -> dict[str, dict[str, float]]:
    return {name: dict(maker.noise()) for name, maker in makers.items()}


def _write(graphs: dict[str, Any], folder: Path, name: str, card: ModelCard) -> zoo.ModelFiles:
    """Write graphs with their card; all of them or none."""
    import onnx

    folder.mkdir(parents=True, exist_ok=True)
    with whole_files([folder / f"{name}{zoo.graph_suffix(graph)}" for graph in graphs]) as parts:
        for part, model in zip(parts, graphs.values(), strict=True):
            set_card(model, card)
            onnx.save(model, part)
    return zoo.find_model(folder)
