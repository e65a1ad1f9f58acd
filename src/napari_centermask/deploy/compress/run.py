"""Carry out the plan of a compression: step by step, each judged, until the end or until one loses too much."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from napari_centermask.core.errors import BadModel, BadSettings, MissingExtra
from napari_centermask.core.progress import silent
from napari_centermask.deploy.compress import quantise, table
from napari_centermask.deploy.compress.distil import check_teacher
from napari_centermask.deploy.compress.graph import count_parameters
from napari_centermask.deploy.compress.judge import Judge, unannotated
from napari_centermask.deploy.compress.make import Made, Maker, Say, graphs_of, is_accepted
from napari_centermask.deploy.compress.plan import DistilStep, Plan, QuantiseStep, check_order
from napari_centermask.evaluation.folder import read_truth
from napari_centermask.io.datasets.folder import of_other_tool
from napari_centermask.io.image_files import image_files
from napari_centermask.io.images import read_plane
from napari_centermask.io.reviewed import with_right_cells
from napari_centermask.io.whole_file import whole_file
from napari_centermask.models.families import check_exports
from napari_centermask.models.nets.build import build_model
from napari_centermask.models.store import zoo
from napari_centermask.settings import SegmentSettings
from napari_centermask.training.data.dataset import freeze_dataset
from napari_centermask.training.run.copies import freeze_in

_ROUNDS = 7  # of the timing at the end; a choice
_FIRST_ROUNDS = 2  # of that after each step; a choice
T = TypeVar("T")


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

    Writes each step's model into `plan.out`, and after each step table.txt, table.json and, where matplotlib is installed,
    speed.png. At the end, all steps are timed once more, in turns.

    Raises
    ------
    BadSettings
        If the steps do not go together, there are no images, models of the family have no graphs, or a student cannot be made or
        does not fit its teachers.
    BadModel
        If the model has no graphs, is compressed already, or has no weights to train.
    MissingExtra
        If a step needs what is not installed.
    """
    check_order(plan)
    quantise.check_packages()
    if plan.name is not None:
        zoo.check_new_name(plan.name)
    return _Run(plan, _start(plan), say).result()


def _start(plan: Plan) -> zoo.ModelFiles:
    """The model to begin with."""
    start = zoo.find_model(plan.model)
    check_exports(start.card)
    if start.graphs is None:
        raise BadModel(f"'{start.name}' has no ONNX graphs. Make them with: napari-centermask export {start.name}")
    if start.card.training.get("compression"):
        raise BadModel(f"'{start.name}' is a compressed model already. Compress the one that it was made from.")
    trained = next((step.do for step in plan.steps if not isinstance(step, QuantiseStep)), None)
    if trained is not None and start.weights is None:
        raise BadModel(
            f"'{start.name}' has only ONNX graphs, and the step {trained} needs weights. Choose a model with weights, "
            "or quantise only."
        )
    for step in plan.steps:
        if isinstance(step, DistilStep):
            _check_distillation(step, start)
    return start


def _check_distillation(step: DistilStep, start: zoo.ModelFiles) -> None:
    """Whether the student can be made, and its teachers fit; steps before may change its widths alone."""
    student = start.card.model if step.student is None else step.student
    for name in step.teachers:
        if zoo.find_model(name).weights is None:
            raise BadModel(f"The teacher '{name}' has only ONNX graphs. Choose models with weights as teachers.")
    for teacher in [zoo.find_model(name) for name in step.teachers] or [start]:
        check_teacher(student, teacher.card.model)
    try:
        build_model(student)
    except ValueError as error:
        raise BadSettings(f"The student of the plan cannot be made: {error}.") from error


class _Run:
    def __init__(self, plan: Plan, start: zoo.ModelFiles, say: Say) -> None:
        self.plan, self.start, self.say = plan, start, say
        self.data = self._data()
        self.images = self._images()
        self.maker = Maker(plan, start, self.images, self.data, self._judge(), say=self._tell)
        self._now = "Start model"

    def _tell(self, text: str) -> None:
        """Say what goes on in which step."""
        self.say(f"{self._now}: {text}")

    def result(self) -> Result:
        """Do all steps."""
        plan = self.plan
        made = [self.maker.begin()]
        self._report(made, rounds=_FIRST_ROUNDS)
        for number, (step, folder) in enumerate(zip(plan.steps, plan.folders, strict=True), start=1):
            self._now = f"Step {number} of {len(plan.steps)} ({step.do})"
            self.say(self._now)
            made.append(self.maker.make(step, made[-1], folder))
            own = None if isinstance(step, QuantiseStep) else step.accepted
            accepted = plan.accepted if own is None else own
            if not is_accepted(made[-1].scores, made[0].scores, accepted):
                self.say(f"Step {number} loses more AP50 than the accepted {accepted:g}: the plan ends here.")
                break
            if number < len(plan.steps):
                self._report(made, rounds=_FIRST_ROUNDS)
        self._now = "Timing all steps"
        self.say(self._now)
        rows, (best, sentence) = self._report(made, rounds=_ROUNDS, is_last=True)
        chosen = made[best].files
        if plan.name is not None and best:
            chosen = zoo.add_model(chosen.paths[0], plan.name)
        return Result(rows, sentence, chosen)

    def _data(self) -> Path | None:
        """Annotated images in splits: of a project, of another tool's data, or without splits, a copy, as for fine-tuning."""
        plan = self.plan
        if plan.data is None or plan.split is None or not _is_whole(plan.data, plan.split):
            return plan.data
        self.say("Copying the annotated images")
        how = partial(freeze_dataset, plan.data, trained_on=self.start.card.trained_on, say=self.say)
        return freeze_in(plan.out, how)

    def _images(self) -> list[Path]:
        """To calibrate on, evenly spread over all there are."""
        plan, data = self.plan, self.data
        if plan.images is not None:
            found = image_files(plan.images, self.say)
        elif data is not None:
            train = (data / "annotations_train.json").is_file()
            found = [r.path for r in read_truth(data, "train" if train else plan.split) if r.path is not None]
        else:
            raise BadSettings("The plan names neither `images` to calibrate on nor annotated `data`. Give one of them.")
        return _spread(list(dict.fromkeys(found)), plan.most_images)

    def _judge(self) -> Judge:
        plan, settings = self.plan, SegmentSettings(diameter=self.plan.diameter)
        if self.data is not None:
            records = _spread(with_right_cells(read_truth(self.data, plan.split)), plan.most_images)
            return Judge(records, settings, say=self._tell)
        return Judge(unannotated(self.images), settings, annotated=False, say=self._tell)

    def _report(
        self, made: list[Made], *, rounds: int, is_last: bool = False
    ) -> tuple[list[table.Row], tuple[int, str]]:
        """Time what was made so far, and write the table; at the end with the recommendation."""
        rows = self._rows(made, rounds)
        best = table.recommended(rows)
        self._write(rows, best[1] if is_last else "")
        return rows, best

    def _rows(self, made: list[Made], rounds: int) -> list[table.Row]:
        image = max((read_plane(path) for path in self.images[:8]), key=lambda image: image.size)
        speeds = table.time_models(
            [m.files for m in made], image, engine=self.plan.engine, device=self.plan.device, runs=rounds
        )
        rows = []
        for m, speed in zip(made, speeds, strict=True):
            graphs = list(graphs_of(m.files).values())
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
                    gpu_mb=speed.gpu_mb,
                    scores=m.scores,
                    loss=None if a is None or b is None else a - b,
                    accepted=is_accepted(m.scores, made[0].scores, self.plan.accepted),
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


def _is_whole(data: Path, split: str) -> bool:
    """Whether annotated data are not yet divided into splits in COCO."""
    if (data / f"annotations_{split}.json").is_file():
        return False
    return any((data / name).is_file() for name in ("project.json", "annotations.json")) or bool(of_other_tool(data))


def _spread(items: list[T], most: int) -> list[T]:
    """At most so many, evenly spread."""
    if len(items) <= most:
        return items
    return [items[round(n * (len(items) - 1) / max(1, most - 1))] for n in range(most)]
