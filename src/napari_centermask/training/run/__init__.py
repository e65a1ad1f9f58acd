"""A training run: default settings, the loop, its state on disk, devices and memory."""
