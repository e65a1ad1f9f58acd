"""Pages of the documentation are found in the package, and their sections as the site names them."""

import pytest

from napari_centermask.io.pages import page_file, page_names, page_url, slug


def test_pages_come_with_the_package():
    assert {"index", "install", "napari", "correct"} <= set(page_names())
    assert page_file("install").read_text(encoding="utf-8").startswith("# Install")
    with pytest.raises(ValueError, match="no page 'instal' among .*install"):
        page_file("instal")


def test_an_address_is_that_of_the_site():
    assert page_url("index").endswith("/napari-centermask/")
    assert page_url("inputs", "range").endswith("/inputs/#range")


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("How large the cells are", "how-large-the-cells-are"),
        ("`live-dead`", "live-dead"),
        ("Illumination, background, noise", "illumination-background-noise"),
        ("The key `napari_centermask`", "the-key-napari_centermask"),
        ("1. Open the sample images", "1-open-the-sample-images"),
    ],
)
def test_anchors_are_those_of_the_site(heading, anchor):
    assert slug(heading) == anchor
