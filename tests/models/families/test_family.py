"""Code outside the records of families never compares their names."""

import ast
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Annotated

import pytest
from cyclopts import App, Parameter

import napari_centermask
from napari_centermask.models.families import FAMILIES, family_of, graph_names
from napari_centermask.models.store.card import ModelCard
from napari_centermask.settings import NETWORKS, SegmentSettings, TrainSettings

SOURCE = Path(napari_centermask.__file__).parent
RECORDS = ("models/families/", "training/families/", "settings.py")
"""Where a family may be named."""
FORMS = {"ModelSettings", "UNetSettings", "MaskRCNNSettings", "CenterMask", "MapModel", "MaskRCNN", "MapTruth"}
FORMS |= {"MapEngine", "RegionEngine"}


def family_comparisons(path):
    """Lines of a file that compare the name of a family, ask for the class of one, or list several."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = {n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
        if isinstance(node, ast.Compare) and names & set(FAMILIES):
            yield node.lineno
        if (
            isinstance(node, ast.Dict)
            and len({k.value for k in node.keys if isinstance(k, ast.Constant)} & set(FAMILIES)) > 1
        ):
            yield node.lineno
        if isinstance(node, ast.MatchValue) and names & set(FAMILIES):
            yield node.lineno
        is_asked = isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance"
        if is_asked and FORMS & {n.id for n in ast.walk(node.args[1]) if isinstance(n, ast.Name)}:
            yield node.lineno


def test_only_the_records_distinguish_families():
    faults = {}
    for path in SOURCE.rglob("*.py"):
        name = path.relative_to(SOURCE).as_posix()
        if not name.startswith(RECORDS) and (lines := list(family_comparisons(path))):
            faults[name] = lines
    assert faults == {}


@pytest.mark.parametrize(
    "text", ["card.kind == 'unet'", "x = {'centermask': 1, 'unet': 2}[k]", "isinstance(m, UNetSettings)"]
)
def test_a_comparison_would_be_found(tmp_path, text):
    (tmp_path / "a.py").write_text(text)
    assert list(family_comparisons(tmp_path / "a.py")) == [1]


@pytest.mark.parametrize("name", FAMILIES)
def test_a_record_agrees_with_the_settings(name):
    family = FAMILIES[name]
    assert NETWORKS[name] is family.settings
    assert family.settings().family == family.name == name
    assert set(family.segments_with) <= set(SegmentSettings.model_fields)
    assert set(family.trains_with) <= set(TrainSettings.model_fields)
    assert set(family.graphs) <= set(graph_names())
    card = ModelCard(name="mine", licence="CC0-1.0", model=family.settings(), diameter=30.0)
    assert family_of(card) is family_of(card.model) is family
    assert family.shapes(card.model) or not family.graphs  # detectron2 alone knows those of its models
    assert not set(family.strange_keys(card.model)) & set(family.shapes(card.model))


def test_a_card_of_an_unknown_family_is_refused():
    from napari_centermask.core.errors import BadModel

    with pytest.raises(BadModel, match="does not match any of the expected tags"):
        ModelCard.from_json('{"name": "x", "licence": "CC0-1.0", "diameter": 3, "model": {"family": "stars"}}')


FURTHER = """
class SpotSettings(NetworkSettings):
    family: Literal["spots"] = "spots"
    spot_radius: float = Field(2.0, gt=0)


"""


@pytest.fixture
def with_spots(tmp_path, monkeypatch):
    """The settings module with one more form among the others, and no other change."""
    first, second = (SOURCE / "settings.py").read_text(encoding="utf-8").split("class UNetSettings", 1)
    path = tmp_path / "settings_with_spots.py"
    path.write_text(f"{first}{FURTHER.lstrip()}class UNetSettings{second}", encoding="utf-8")
    spec = spec_from_file_location(path.stem, path)
    module = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, path.stem, module)
    spec.loader.exec_module(module)
    return module


def test_a_further_form_in_the_settings_has_its_flags_and_is_read_from_files(with_spots, tmp_path):
    kind = with_spots.TrainSettings
    taken = []

    def command(*, settings: Annotated[kind, Parameter(name="*")]) -> None:
        taken.append(settings)

    flags = ["--data", str(tmp_path), "--out", str(tmp_path), "--model.family", "spots", "--model.spot-radius", "3"]
    App(default_command=command)(flags, result_action="return_value")
    assert taken[0].model == with_spots.SpotSettings(spot_radius=3)
    assert kind.model_validate_json(taken[0].model_dump_json()) == taken[0]
