"""From a model that does not suit to one of your own: which dock comes first, and what to do."""

from napari_centermask.widgets.segment.way_to_own_model import steps


def test_an_image_without_a_project_needs_one_first():
    dock, text = steps(in_project=False)
    assert dock == "Project"
    assert text.startswith("1. In Project, open the folder of your images. 2. In Correct, draw about 20 cells.")
    assert text.endswith("4. Press Fine-tune.")


def test_in_a_project_drawing_comes_first():
    dock, text = steps(in_project=True)
    assert dock == "Correct"
    assert text.startswith("1. In Correct, draw about 20 cells. 2. In Review, mark a region")
