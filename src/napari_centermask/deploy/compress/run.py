"""Carry out the plan of a compression: step by step, each judged, until the end or until one loses too much."""

from __future__ import annotations

import datetime
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_centermask.core.errors import BadModel, BadSettings, MissingExtra
from napari_centermask.core.extras import how_to_install
from napari_centermask.core.progress import silent
from napari_centermask.deploy.compress import quantise, table
from napari_centermask.deploy.compress.calibrate import Calibration, calibrate
from napari_centermask.deploy.compress.graph import count_parameters, gflops, set_card
from napari_centermask.deploy.compress.judge import Judge, Scores, unannotated
from napari_centermask.deploy.compress.plan import DistilStep, Plan, PruneStep, QatStep, QuantiseStep, Step, check_order
from napari_centermask.engines.load import load_engine
from napari_centermask.evaluation.folder import read_truth
from napari_centermask.io.image_files import image_files
from napari_centermask.io.images import read_plane
from napari_centermask.io.whole_file import whole_file, whole_files
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


@dataclass(frozen=True)
class Result:
    """The end of a compression.

    Attributes
    ----------
    rows
        The start model and each step.
    sentence
        The recommendation.
    files
        The recommended model; the start model if no step is worth it.
    """

    rows: list[table.Row]
    sentence: str
    files: zoo.ModelFiles


def compress(plan: Plan, *, say: Say = silent) -> Result:
    """Carry out a plan.

    Writes each step's model, table.txt, table.json and, where matplotlib is installed, speed.png into `plan.out`.

    Raises
    ------
    BadSettings
        If the steps do not go together, or there are no images.
    BadModel
        If the model has no graphs.
    MissingExtra
        If a step needs what is not installed.
    """
    check_order(plan)
    return _Run(plan, say).result()


class _Run:
    def __init__(self, plan: Plan, say: Say) -> None:
        quantise.check_packages()
        if plan.name is not None:
            zoo.check_new_name(plan.name)
        self.plan, self.say = plan, say
        self.start = zoo.find_model(plan.model)
        if self.start.graphs is None:
            raise BadModel(
                f"'{self.start.name}' has no ONNX graphs. Make them with: napari-centermask export {self.start.name}"
            )
        if self.start.card.training.get("compression"):
            raise BadModel(
                f"'{self.start.name}' is a compressed model already. Compress the one that it was made from."
            )
        self.settings = SegmentSettings(diameter=plan.diameter)
        self.images = self._images()
        self.judge = self._judge()
        self._calibration: Calibration | None = None

    def result(self) -> Result:
        """Do all steps."""
        plan, made = self.plan, [self._judged_start()]
        for number, (step, folder) in enumerate(zip(plan.steps, plan.folders, strict=True), start=1):
            self.say(f"Step {number} of {len(plan.steps)}: {step.do}")
            made.append(self._done(step, made[-1], folder))
            own = None if isinstance(step, QuantiseStep) else step.accepted
            accepted = plan.accepted if own is None else own
            if not self._is_accepted(made[-1].scores, made[0].scores, accepted):
                self.say(f"Step {number} loses more AP50 than the accepted {accepted:g}: the plan ends here.")
                break
        rows = self._rows(made)
        best, sentence = table.recommended(rows)
        self._write(rows, sentence)
        chosen = made[best].files
        if plan.name is not None and best:
            chosen = zoo.add_model(chosen.paths[0], plan.name)
        return Result(rows, sentence, chosen)

    def _images(self) -> list[Path]:
        """To calibrate on, evenly spread over all there are."""
        plan = self.plan
        if plan.images is not None:
            found = image_files(plan.images, self.say)
        elif plan.data is not None:
            train = (plan.data / "annotations_train.json").is_file()
            found = [r.path for r in read_truth(plan.data, "train" if train else plan.split) if r.path is not None]
        else:
            raise BadSettings("The plan names neither `images` to calibrate on nor annotated `data`. Give one of them.")
        return _spread(list(dict.fromkeys(found)), plan.most_images)

    def _judge(self) -> Judge:
        plan = self.plan
        if plan.data is not None:
            records = _spread(read_truth(plan.data, plan.split), plan.most_images)
            return Judge(records, self.settings, say=self.say)
        return Judge(unannotated(self.images), self.settings, annotated=False, say=self.say)

    def _judged_start(self) -> Made:
        scores = self.judge.start(self._engine(self.start))
        return Made(self.start.name, self.start, (), gflops(_first(self.start)), scores)

    def _engine(self, files: zoo.ModelFiles) -> Any:
        return load_engine(files, engine=self.plan.engine, device="cpu", precision="float32")

    def _is_accepted(self, scores: Scores, start: Scores, accepted: float | None = None) -> bool:
        return (start.ap50 or 0.0) - (scores.ap50 or 0.0) <= (self.plan.accepted if accepted is None else accepted)

    def _done(self, step: Step, before: Made, folder: Path) -> Made:
        return (
            self._quantised(step, before, folder)
            if isinstance(step, QuantiseStep)
            else self._trained(step, before, folder)
        )

    def _trained(self, step: PruneStep | DistilStep | QatStep, before: Made, folder: Path) -> Made:
        """A step that trains: the new network is exported, which compares its graphs with torch."""
        try:
            from napari_centermask.deploy.compress import trained
            from napari_centermask.deploy.export import export
        except ImportError as error:
            raise MissingExtra(f"The step {step.do} needs {error.name}: {how_to_install('compress')}") from error
        network = before.network if before.network is not None else trained.load_network(self.plan.model)[0]
        assert self.plan.data is not None  # see `check_order`
        network = trained.do_step(step, network, self.start.card, self.plan.data, self.plan.out, self.say)
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
            for name, path in _graphs(before.files).items():
                if step.method == "float16":
                    graphs[name] = quantise.half(path)
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
            for name, path in _graphs(before.files).items():
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
                if self._is_accepted(made.scores, before.scores):
                    break
        return made

    def calibration(self) -> Calibration:
        """Measured once."""
        if self._calibration is None:
            self.say(f"Segmenting {len(self.images)} images to calibrate on")
            self._calibration = calibrate(self._engine(self.start), self.images, self.settings, say=self.say)
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
            if self.plan.data is not None:
                metrics[self.plan.split or "all"] = {self.plan.data.resolve().name: self.judge.report}
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

    def _rows(self, made: list[Made]) -> list[table.Row]:
        self.say("Timing all steps")
        image = max((read_plane(path) for path in self.images[:8]), key=lambda image: image.size)
        speeds = table.time_models([m.files for m in made], image, engine=self.plan.engine)
        rows = []
        for m, speed in zip(made, speeds, strict=True):
            graphs = list(_graphs(m.files).values())
            a, b = made[0].scores.ap50, m.scores.ap50
            rows.append(
                table.Row(
                    step=m.title,
                    megabytes=sum(path.stat().st_size for path in graphs) / 1e6,
                    parameters=count_parameters(graphs),
                    gflops=m.gflops,
                    latency_ms=speed.latency_ms,
                    images_per_second=1e3 / speed.latency_ms,
                    memory_mb=speed.memory_mb,
                    scores=m.scores,
                    loss=None if a is None or b is None else a - b,
                    accepted=self._is_accepted(m.scores, made[0].scores),
                )
            )
        return rows

    def _write(self, rows: list[table.Row], sentence: str) -> None:
        out = self.plan.out
        texts = {
            table.TEXT: f"{table.as_text(rows)}\n\n{sentence}\n",
            table.JSON: json.dumps(
                table.as_json(rows, sentence) | {"plan": json.loads(self.plan.model_dump_json())}, indent=1
            ),
        }
        for name, text in texts.items():
            with whole_file(out / name) as part:
                part.write_text(text, encoding="utf-8")
        try:
            table.draw(out / table.PLOT, rows)
        except MissingExtra as error:
            self.say(f"No plot: {error}")


def _graphs(files: zoo.ModelFiles) -> dict[str, Path]:
    """The graphs of a model by their names."""
    assert files.graphs is not None
    return dict(zip(family_of(files.card).graphs, files.graphs, strict=True))


def _first(files: zoo.ModelFiles) -> Path:
    """The graph of an image."""
    return next(iter(_graphs(files).values()))


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


def _spread(items: list[Any], most: int) -> list[Any]:
    """At most so many, evenly spread."""
    if len(items) <= most:
        return items
    return [items[round(n * (len(items) - 1) / max(1, most - 1))] for n in range(most)]
