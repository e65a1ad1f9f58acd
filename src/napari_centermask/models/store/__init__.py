"""Models on disk: cards, files and their headers, checkpoints of other programs, the registry of installed models."""
