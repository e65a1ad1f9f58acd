"""Smaller steps where memory runs out."""

from napari_centermask.training.run.shortage import smaller_steps


def test_smaller_steps_go_from_many_pixels_to_few():
    assert smaller_steps(2, 192) == [(1, 192), (1, 128)]
    assert smaller_steps(4, 512)[:3] == [(4, 384), (4, 288), (2, 288)]
    assert (1, 320) in smaller_steps(4, 320)  # not (4, 160), as many pixels: the larger tile shows more cells whole
    assert (4, 160) not in smaller_steps(4, 320)
    assert smaller_steps(1, 128) == smaller_steps(1, 64) == []
    for batch, tile in ((1, 160), (3, 224), (16, 1024)):
        steps = [(batch, tile), *smaller_steps(batch, tile)]
        pixels = [b * t**2 for b, t in steps]
        assert all(less <= 0.75 * more for more, less in zip(pixels[:-1], pixels[1:-1], strict=False))
        assert pixels == sorted(set(pixels), reverse=True)
        assert steps[-1] == (1, 128)
        assert all(t % 32 == 0 for _, t in steps)
