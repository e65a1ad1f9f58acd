import numpy as np

from napari_centermask.core.regions import contains, ellipse, rectangle, rectangles, windows


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
    assert windows([rectangle(-5, 10, 8.2, 80)], (40, 40), margin=2) == [(0, 8, 11, 40)]
    assert windows([rectangle(50, 50, 60, 60)], (40, 40)) == []
    assert windows([], (40, 40)) == []


def test_windows_that_meet_with_their_margins_become_one():
    apart = [rectangle(0, 0, 10, 10), rectangle(30, 0, 40, 10), rectangle(15, 0, 20, 10)]
    assert windows(apart, (50, 50)) == [(0, 0, 10, 10), (30, 0, 40, 10), (15, 0, 20, 10)]
    assert windows(apart, (50, 50), margin=5) == [(0, 0, 45, 15)]


def test_boxes_of_pixels_hold_the_middles_of_their_pixels():
    (polygon,) = rectangles([(2, 3, 5, 7)])
    inside = [(y, x) for y in range(10) for x in range(10) if contains([polygon], (y, x))]
    assert inside == [(y, x) for y in range(2, 5) for x in range(3, 7)]
