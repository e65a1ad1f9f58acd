"""Two models are compared on images that neither was trained on; tests/cli/test_finetune.py has the whole command."""

from napari_centermask.cli.compare import judging_split, table


def test_models_are_judged_on_test_only_where_every_folder_has_it(tmp_path):
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    (folders[0] / "annotations_test.json").touch()
    assert judging_split(folders) == "val"
    (folders[1] / "annotations_test.json").touch()
    assert judging_split(folders) == "test"


def test_the_table_has_a_column_for_each_model_and_a_dash_where_nothing_is_known():
    def side(ap, recall):
        measures = {"bioimage_ap_mean": ap, "bioimage_ap": {"0.50": 0.75}, "f1": 0.8, "pq": 0.6, "coco": {"AP": 0.5}}
        found = {"recall50": recall, "mean_iou": None}
        return measures | {"overlap": found, "border": {"cut": found, "inside": found}, "area_ratio": ap * 2}

    verdict = {"difference": 0.0625, "interval": [-0.01, 0.135], "sentence": "Keep the old one."}
    lines = table(
        {"old": side(0.25, None), "new": side(0.3125, 0.5), "verdict": verdict}, "runs/old.safetensors", "new"
    )
    assert lines[0].split() == ["old.safetensors", "new"]
    assert lines[1].split()[-2:] == ["0.2500", "0.3125"]
    assert lines[6].split()[-2:] == ["-", "0.5000"]
    assert lines[8].split() == ["cells", "cut", "by", "border,", "found", "-", "0.5000"]
    assert lines[12].split()[-2:] == ["0.5000", "0.6250"]
    assert lines[-2:] == ["difference +0.0625, 95 % interval -0.0100 to +0.1350", "Keep the old one."]
