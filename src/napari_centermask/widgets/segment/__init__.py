"""The dock that segments: which part of which image, with which settings, and the run."""
