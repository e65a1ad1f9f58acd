"""An image in uneven light, and its corrected layer."""

import numpy as np
import pytest


@pytest.fixture
def uneven(discs):
    """Discs on a background that rises to the right."""
    return (discs() * 200 + np.linspace(50, 400, 128)[None]).astype(np.uint16)


@pytest.fixture
def wait(dock, qtbot):
    """Until the corrected image is shown."""

    def wait():
        qtbot.waitUntil(lambda: not dock.illumination.corrected.is_working, timeout=10_000)

    return wait
