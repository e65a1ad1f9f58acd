"""Measurements against scikit-image and against pixels counted one by one."""

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt
from skimage.measure import regionprops

from napari_centermask.core.errors import BadImage, BadSettings
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.measure import Background, columns, measure


def of(image, cells, **options):
    names = [f"c{k}" for k in range(image.shape[0])]
    return {cell.id: values for cell, values in measure(image, cells, channels=names, **options)}


def whole(cell, shape):
    full = np.zeros(shape, bool)
    full[cell.y0 : cell.box[2], cell.x0 : cell.box[3]] = cell.mask
    return full


@pytest.fixture
def crowd(cells):
    """Overlapping cells, also at the border, and an image of two channels on a slanted background."""
    instances = cells(n=25, overlap=0.5, shape=(150, 180), radius=11)
    corner = np.ones((7, 9), bool)
    instances.add(Instance.from_mask(corner, (0, 0)))
    instances.add(Instance.from_mask(np.ones((1, 1), bool), (149, 179)))
    rng = np.random.default_rng(0)
    slope = np.linspace(100, 300, 180)[None] + np.zeros((150, 1))
    image = np.stack([slope, 50 + slope / 10]) + rng.normal(0, 2, (2, 150, 180))
    for cell in instances:
        image[0][whole(cell, (150, 180))] += 500
    return image.astype(np.float32), instances


def test_shape_and_intensities_are_those_of_scikit_image_on_the_cells_own_mask(crowd):
    image, cells = crowd
    measured = of(image, cells)
    assert measured.keys() == set(cells.ids)
    for cell in cells:
        (props,) = regionprops(whole(cell, cells.shape).astype(np.uint8), np.moveaxis(image, 0, -1).astype(float))
        got = measured[cell.id]
        assert (got["area_px"], got["equivalent_diameter_px"]) == pytest.approx(
            (props.area, props.equivalent_diameter_area)
        )
        assert (got["centre_y"], got["centre_x"]) == pytest.approx(props.centroid)
        assert got["major_axis_px"] == pytest.approx(props.axis_major_length)
        assert got["minor_axis_px"] == pytest.approx(props.axis_minor_length)
        assert got["eccentricity"] == pytest.approx(props.eccentricity)
        assert [got["mean_c0"], got["mean_c1"]] == pytest.approx(props.intensity_mean.tolist())
        assert [got["min_c0"], got["max_c1"]] == pytest.approx([props.intensity_min[0], props.intensity_max[1]])
        assert [got["std_c0"], got["std_c1"]] == pytest.approx(props.intensity_std.tolist())
        assert got["integrated_c0"] == pytest.approx(props.intensity_mean[0] * props.area)


@pytest.mark.parametrize(
    "background", [Background("ring"), Background("ring", gap=0, width=3), Background("image", gap=4)]
)
def test_the_background_is_the_median_of_the_pixels_that_the_words_say(crowd, background):
    image, cells = crowd
    everything = np.any([whole(c, cells.shape) for c in cells], axis=0)
    free = distance_transform_edt(~everything) > background.gap
    measured = of(image, cells, background=background)
    from_rings = 0
    for cell in cells:
        near = distance_transform_edt(~whole(cell, cells.shape)) <= background.gap + background.width
        ring = free & near if background.kind == "ring" else free
        ring = ring if np.count_nonzero(ring) >= 12 else free
        from_rings += ring is not free
        for c in (0, 1):
            level = np.median(image[c][ring].astype(float))
            got = measured[cell.id]
            assert got[f"background_c{c}"] == pytest.approx(level)
            assert got[f"corrected_mean_c{c}"] == pytest.approx(got[f"mean_c{c}"] - level)
            assert got[f"corrected_integrated_c{c}"] == pytest.approx(got[f"integrated_c{c}"] - level * cell.area)
    assert from_rings > 15 if background.kind == "ring" else from_rings == 0


def test_a_cell_that_only_nears_the_ring_keeps_its_distance_too():
    around = Background("ring", gap=4, width=2)
    image = np.arange(60 * 60, dtype=np.float32).reshape(1, 60, 60)
    cells = Instances((60, 60))
    cells.add(Instance.from_mask(np.ones((6, 6), bool), (27, 20)))
    cells.add(Instance.from_mask(np.ones((40, 8), bool), (10, 35)))  # nine pixels to the right: beyond the ring
    cell, other = cells
    near = distance_transform_edt(~whole(cell, cells.shape))
    free = distance_transform_edt(~whole(other, cells.shape)) > 4
    ring = (near > 4) & (near <= 6) & free
    assert of(image, cells, background=around)[cell.id]["background_c0"] == np.median(image[0][ring])


def test_a_local_ring_takes_a_slanted_background_off(crowd):
    image, cells = crowd
    alone = [c for c in cells if c.area > 100 and not any(o is not c for o in cells.meeting(c.box))]
    assert len(alone) > 3
    measured = of(image, cells)
    assert [measured[c.id]["corrected_mean_c0"] for c in alone] == pytest.approx([500] * len(alone), abs=8)


def test_columns_name_what_is_measured_in_order(crowd):
    image, cells = crowd
    for background, size in ((Background(), 0.5), (Background("image"), None), (Background("none"), None)):
        values = of(image, cells, background=background, pixel_size_um=size)
        assert all(list(v) == columns(["c0", "c1"], background, pixel_size_um=size) for v in values.values())
    some = next(iter(of(image, cells, pixel_size_um=0.5).values()))
    assert some["area_um2"] == some["area_px"] / 4
    for name in ("perimeter", "major_axis", "minor_axis", "equivalent_diameter", "feret_max", "nearest_centre"):
        assert some[f"{name}_um"] == some[f"{name}_px"] / 2


def test_sixteen_bits_do_not_run_over_and_values_stay_as_they_are():
    image = np.full((1, 300, 300), 65_000, np.uint16)
    cells = Instances((300, 300), [Instance(1, 5, 5, np.ones((290, 290), bool))])
    got = of(image, cells, background=Background("none"))[1]
    assert got["integrated_c0"] == 65_000 * 290 * 290
    assert (got["mean_c0"], got["std_c0"]) == (65_000, 0)


def test_pixels_that_are_not_finite_are_left_out_and_a_cell_of_such_has_no_intensity():
    image = np.ones((1, 40, 40), np.float32)
    image[0, 5, 5], image[0, 20:30, 20:30] = np.nan, np.inf
    cells = Instances(
        (40, 40), [Instance(1, 4, 4, np.ones((6, 6), bool)), Instance(2, 20, 20, np.ones((10, 10), bool))]
    )
    got = of(image, cells)
    assert (got[1]["integrated_c0"], got[1]["area_px"]) == (35, 36)
    assert got[1]["corrected_integrated_c0"] == 0
    assert np.isnan(got[2]["mean_c0"])
    assert got[2]["area_px"] == 100


def test_a_field_that_is_all_cell_has_no_background():
    cells = Instances((9, 9), [Instance(1, 0, 0, np.ones((9, 9), bool))])
    got = of(np.ones((1, 9, 9)), cells)[1]
    assert got["mean_c0"] == 1
    assert np.isnan(got["corrected_mean_c0"])


def test_large_images_are_read_in_strips_and_their_background_is_sampled(monkeypatch, crowd):
    image, cells = crowd
    whole_image = of(image, cells)
    sampled = of(image, cells, background=Background("image"))
    reads = []

    class Lazy:
        shape = image.shape

        def __getitem__(self, key):
            reads.append(image[key].shape)
            return image[key]

    monkeypatch.setattr("napari_centermask.core.measure._STRIP", 32)
    in_strips = of(Lazy(), cells)
    assert in_strips == whole_image
    assert max(shape[1] for shape in reads if len(shape) == 3) < 100
    monkeypatch.setattr("napari_centermask.core.measure._SAMPLE", 3000)
    rough = of(image, cells, background=Background("image"))
    for id in cells.ids:
        assert rough[id]["background_c0"] == pytest.approx(sampled[id]["background_c0"], abs=12)
        assert rough[id]["background_c0"] != sampled[id]["background_c0"]


def test_what_does_not_fit_is_said():
    cells = Instances((9, 9), [Instance(1, 0, 0, np.ones((2, 2), bool))])
    with pytest.raises(BadImage, match="1 x 9 x 9 .* not 1 x 9 x 8"):
        list(measure(np.ones((1, 9, 8)), cells, channels=["a"]))
    with pytest.raises(BadSettings, match="ring, image, none"):
        Background("local")
    with pytest.raises(BadSettings, match="width of 1 or more"):
        Background("ring", width=0)
