"""A classifier of cells: what it sees, that it learns, and that its file answers as torch does."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_centermask.core.errors import BadImage, BadModel, BadSettings
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.deploy.classifier_export import export_classifier
from napari_centermask.engines.classifier import ClassifierEngine, load_classifier
from napari_centermask.io.coco.document import write_coco
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.models.nets.cell_classifier import CellClassifier
from napari_centermask.models.store.classifier_card import ClassifierCard, find_classifier, read_classifier_card
from napari_centermask.pipeline.classify import cell_crops, classify, classify_steps, scaled_for
from napari_centermask.settings import ClassifierSettings, ClassifierTraining
from napari_centermask.training.run.classifier import class_loss, load_cells, middle, train_classifier, varied

SMALL = ClassifierSettings(side=16, width=4, dropout=0)
NAMES = {1: "living", 2: "dead"}


def _field(rng, n=8):
    """An image of bright living and dark dead squares, and its cells."""
    image, cells = rng.normal(100, 3, (96, 96)), []
    for k in range(n):
        y, x = 4 + 24 * (k // 4), 4 + 24 * (k % 4)
        dead = k % 3 == 0
        image[y : y + 12, x : x + 12] += -40 if dead else 60
        cells.append(Instance(0, y, x, np.ones((12, 12), bool), category=1 + dead))
    return image.clip(0, 255).astype(np.uint8), Instances((96, 96), cells, categories=NAMES)


@pytest.fixture
def folder(tmp_path):
    from PIL import Image

    rng = np.random.default_rng(0)
    (tmp_path / "data" / "images").mkdir(parents=True)
    for split, number in (("train", 4), ("val", 2)):
        records = []
        for k in range(number):
            image, cells = _field(rng)
            path = tmp_path / "data" / "images" / f"{split}{k}.png"
            Image.fromarray(image).save(path)
            records.append(ImageRecord(k + 1, path.name, path, cells.shape, cells))
        write_coco(tmp_path / "data" / f"annotations_{split}.json", records)
    return tmp_path / "data"


def test_files_that_are_not_classifiers_are_refused(tmp_path):
    with pytest.raises(BadModel, match="There is no classifier"):
        find_classifier("nobody")
    (tmp_path / "x.classifier.onnx").write_bytes(b"no graph")
    with pytest.raises(BadModel):
        read_classifier_card(tmp_path / "x.classifier.onnx")


def test_one_category_only_is_refused(folder, tmp_path):
    path = folder / "annotations_train.json"
    data = json.loads(path.read_text())
    for annotation in data["annotations"]:
        annotation["category_id"] = 1
    path.write_text(json.dumps(data))
    settings = ClassifierTraining(data=[folder], out=tmp_path / "b.classifier.onnx", model=SMALL)
    with pytest.raises(BadSettings, match="no cells of dead in train"):
        train_classifier(settings, name="b")


def test_the_middle_of_a_cut_is_what_the_model_sees_in_use(folder):
    """Cutting with room around and taking the middle is cutting without."""
    from napari_centermask.training.data.loader import load_split

    card = ClassifierCard(name="c", licence="CC0-1.0", model=SMALL)
    cells = load_cells([folder], "val", card)
    sample = load_split(folder, "val")[0]
    image = scaled_for(sample.image, (96, 96), card)
    seen = cell_crops(image, sample.cells, side=SMALL.side, context=SMALL.context)
    assert np.allclose(middle(cells.crops[: len(seen)]).numpy(), seen, atol=1e-4)


def test_crops_are_scaled_by_the_cell_and_repeat_the_border():

    image = np.arange(64, dtype=np.float32).reshape(1, 8, 8)
    cell = Instance(1, 2, 2, np.ones((4, 4), bool))
    crop = cell_crops(image, [cell], side=8, context=2)[0]
    assert np.array_equal(crop[0], image[0])  # the square is the image, pixel for pixel
    assert crop[1].sum() == 16
    larger = cell_crops(
        np.kron(image, np.ones((1, 3, 3), np.float32)), [Instance(1, 6, 6, np.ones((12, 12), bool))], side=8, context=2
    )[0]
    assert np.allclose(larger[0], image[0])
    corner = cell_crops(image, [Instance(1, 0, 0, np.ones((4, 4), bool))], side=8, context=2)[0]
    assert np.array_equal(corner[0, :2], np.repeat(corner[0, 2:3], 2, axis=0))
    outside = cell_crops(image, [Instance(1, 7, 7, np.ones((1, 1), bool))], side=8, context=40)[0]
    assert np.isfinite(outside).all()


def test_weights_and_focal_factor_by_hand():
    logits, kinds = torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.tensor([1, 1])
    p = logits.softmax(dim=1)[:, 1]
    assert torch.allclose(class_loss(logits, kinds, weights=None, gamma=2.0), ((1 - p) ** 2 * -p.log()).mean())
    logits, kinds = torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1])
    loss = torch.nn.functional.cross_entropy
    weights = torch.tensor([0.5, 3.0])
    assert torch.allclose(class_loss(logits, kinds, weights=weights, gamma=0.0), loss(logits, kinds, weight=weights))


def test_variation_keeps_sizes_and_the_mask_a_mask():
    torch.manual_seed(0)
    crops = torch.rand(6, 2, 24, 24)
    crops[:, 1] = 0
    crops[:, 1, 8:16, 8:16] = 1
    out = varied(crops, 16)
    assert out.shape == (6, 2, 16, 16)
    assert out[:, 1].min() >= 0
    assert out[:, 1].max() <= 1
    assert (out[:, 1].sum(dim=(1, 2)) > 30).all()


def test_it_learns_what_is_bright_and_its_file_tells_it_without_torch(folder, tmp_path):
    settings = ClassifierTraining(data=[folder], out=tmp_path / "b.classifier.onnx", model=SMALL, epochs=15, batch=16)
    model, card = train_classifier(settings, name="b")
    assert card.training["cells"] == {"living": 20, "dead": 12}
    assert export_classifier(model, card, settings.out) < 1e-4
    engine = load_classifier(settings.out)
    assert engine.card == card
    image, truth = _field(np.random.default_rng(5))
    unknown = Instances(truth.shape, [Instance(c.id, c.y0, c.x0, c.mask) for c in truth])
    classified = classify(image[None], unknown, engine)
    assert [c.category for c in classified] == [c.category for c in truth]
    assert all(sum(c.probabilities) == pytest.approx(1) for c in classified)
    assert classified.categories == NAMES
    runtime = ClassifierEngine(settings.out, engine="onnx")
    crops = np.random.default_rng(1).random((5, 2, 16, 16), np.float32)
    assert np.allclose(engine.probabilities(crops), runtime.probabilities(crops), atol=1e-4)
    assert engine.probabilities(crops[:0]).shape == (0, 2)
    many = [replace(c, id=k) for k, c in enumerate([*truth] * 40)]
    steps = list(classify_steps(image[None], truth.shape, many, engine))
    assert [(s.done, s.total) for s in steps] == [(256, 320), (320, 320)]


def test_what_a_person_said_stays(tmp_path):
    model = CellClassifier(SMALL).eval()
    card = ClassifierCard(name="c", licence="CC0-1.0", model=SMALL)
    export_classifier(model, card, tmp_path / "c.classifier.onnx")
    engine = load_classifier(tmp_path / "c.classifier.onnx")
    image, truth = _field(np.random.default_rng(2))
    theirs = [Instance(c.id, c.y0, c.x0, c.mask, category=c.category, status="accepted") for c in truth]
    classified = classify(image[None], Instances(truth.shape, theirs, categories=NAMES), engine)
    assert [c.category for c in classified] == [c.category for c in truth]
    assert all(len(c.probabilities) == 2 for c in classified)
    with pytest.raises(BadImage, match="1 channels"):
        classify(np.zeros((3, 96, 96), np.uint8), truth, engine)
    with pytest.raises(BadImage, match="96 x 96"):
        classify(np.zeros((1, 50, 96), np.uint8), truth, engine)


def test_a_dark_image_is_not_scaled_by_its_background(folder):
    card = ClassifierCard(name="c", licence="CC0-1.0", model=SMALL.model_copy(update={"scaling": "background"}))
    image = np.zeros((1, 40, 40), np.uint16)
    assert not scaled_for(image, (40, 40), card).any()  # an empty plane holds no cells
    image[0, 5:20, 5:20] = 900
    with pytest.raises(BadImage, match="bright background"):
        scaled_for(image, (40, 40), card)
    assert scaled_for(image + 300, (40, 40), card).max() == 2.0
