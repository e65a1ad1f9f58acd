"""Out of memory: which errors mean it, and which smaller steps there are. Without torch, for the dock."""

from __future__ import annotations

SMALLEST_TILE = 128
"""The smallest tile to propose: of the cells of 40 pixels in 128, about half are whole, ((128 - 40) / 128) squared."""

RELIEF = "Close other programs, or train a smaller model: a lite backbone such as V-19-slim-dw-eSE, or a U-Net of less width."
"""What helps if no smaller step does."""

_HOST = ("allocate memory", "not enough memory", "bad_alloc", "killed by signal: Killed")
_GPU = ("out of memory", "ALLOC_FAILED")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means lack of memory; for PyTorch, its libraries and the system, only the message shows it."""
    return is_of_host(error) or any(word in str(error) for word in _GPU)


def is_of_host(error: BaseException) -> bool:
    """Whether it is the memory of the machine that ran out, not that of its GPU."""
    return isinstance(error, MemoryError) or any(word in str(error) for word in _HOST)


def smaller_tile(tile: int) -> int | None:
    """Three quarters of a tile's side (chosen: 9/16 of the memory), a multiple of 32; None if it is already the smallest."""
    return max(SMALLEST_TILE, tile * 3 // 4 // 32 * 32) if tile > SMALLEST_TILE else None


def smaller_steps(batch: int, tile: int) -> list[tuple[int, int]]:
    """Steps of fewer tiles, smaller tiles or both, (batch, tile), down to one tile of the smallest size.

    From many pixels to few, each at most three quarters of the one before, as a step of nearly the same size would fail too.
    Of equal numbers of pixels, larger tiles are preferred, as more cells are whole in them.
    """
    batches, tiles = [batch], [tile]
    while batches[-1] > 1:
        batches.append(batches[-1] // 2)
    while (side := smaller_tile(tiles[-1])) is not None:
        tiles.append(side)
    pairs = sorted(((b, t) for b in batches for t in tiles), key=lambda pair: (-pair[0] * pair[1] ** 2, -pair[1]))
    taken = pairs[:1]  # the step that failed
    for pair in pairs[1:]:
        if pair == pairs[-1] or pair[0] * pair[1] ** 2 <= 0.75 * taken[-1][0] * taken[-1][1] ** 2:
            taken.append(pair)
    return taken[1:]


def unchecked_remedy(batch: int, tile: int, *, fewest: int = 1) -> dict[str, int]:
    """Settings of a smaller step, not tried: half the tiles, then smaller ones; empty if there is none.

    Parameters
    ----------
    fewest
        Tiles that a step needs; one for each process.
    """
    if batch // 2 >= fewest:
        return {"batch": batch // 2}
    side = smaller_tile(tile)
    return {} if side is None else {"batch": batch, "tile": side}
