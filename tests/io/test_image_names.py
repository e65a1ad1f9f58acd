import pytest

from napari_centermask.io.image_names import ImageFinder, clean_name, match_names


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("a.png", "a.png"),
        ("./x//y/a b.png", "x/y/a b.png"),
        ("../../a.png", "a.png"),
        ("C:\\x\\a.png", "x/a.png"),
        ("\\\\server\\share\\a.png", "server/share/a.png"),
        ("https://host/x/a%20b.png?sig=1", "x/a b.png"),
        ("s3://bucket/x/a.png", "x/a.png"),
        ("/data/local-files/?d=plate/a.png", "plate/a.png"),
        ("..", ""),
        ("a\0\n.png", "a.png"),
    ],
)
def test_names_are_cleaned(name, clean):
    assert clean_name(name) == clean


def test_names_match_by_path_then_file_then_stem_then_what_others_add():
    known = ["p1/a.tif", "p2/a.tif", "b.tif", "c.png", "d.png"]
    incoming = ["p2/a.tif", "elsewhere/b.tif", "c.jpg", "0a1b2c3d-d.png", "new.png"]
    assert match_names(known, incoming) == {
        "p2/a.tif": "p2/a.tif",
        "elsewhere/b.tif": "b.tif",
        "c.jpg": "c.png",
        "0a1b2c3d-d.png": "d.png",
    }


def test_a_name_that_could_mean_two_images_means_none():
    assert match_names(["p1/a.tif", "p2/a.tif"], ["a.tif"]) == {}
    assert match_names(["a.tif"], ["x/a.tif", "y/a.tif"]) == {}


def test_a_finder_never_leaves_its_folder(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "a.png").write_bytes(b"")
    finder = ImageFinder(tmp_path / "in")
    assert finder(clean_name("../a.png")) is None
    (tmp_path / "in" / "deep").mkdir()
    (tmp_path / "in" / "deep" / "A.PNG").write_bytes(b"")
    assert ImageFinder(tmp_path / "in")("a.png") == tmp_path / "in" / "deep" / "A.PNG"
