"""The dock for living and dead cells: thresholds, classification, counts, measurements."""
