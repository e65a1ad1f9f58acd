import numpy as np

from napari_centermask.core.regions import contains, ellipse, rectangle, window


def test_points_in_polygons_agree_with_skimage():
    from skimage.measure import points_in_poly

    rng = np.random.default_rng(0)
    polygon = rng.uniform(0, 40, (7, 2))
    points = rng.uniform(0, 40, (200, 2))
    expected = points_in_poly(points, polygon)
    assert [contains([polygon], tuple(p)) for p in points] == expected.tolist()


def test_an_ellipse_touches_the_sides_of_its_box():
    polygon = ellipse(rectangle(2, 4, 12, 24))
    np.testing.assert_allclose(polygon.min(axis=0), (2, 4), atol=0.05)
    np.testing.assert_allclose(polygon.max(axis=0), (12, 24), atol=0.05)


def test_windows_are_cut_to_the_image():
    assert window([rectangle(-5, 10, 8.2, 80)], (40, 40), margin=2) == (0, 8, 11, 40)
    assert window([rectangle(50, 50, 60, 60)], (40, 40)) is None


def test_without_polygons_there_is_no_window():
    assert window([], (40, 40)) is None
