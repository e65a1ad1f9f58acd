"""One training run: settings by default, the loop, its state on disk, devices and memory."""
