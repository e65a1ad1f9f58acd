"""Training from COCO data: tiles, augmentation, and the loop. Import the modules directly."""

import os

# Threads that spin while they wait take few cores from each other and from napari; it must be set before
# torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
