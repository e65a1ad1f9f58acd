"""Models for other runtimes, and how fast they are."""
