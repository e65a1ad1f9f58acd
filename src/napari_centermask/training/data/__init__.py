"""From annotated images to training tiles. Only `loader` needs torch."""
