"""Cells, their geometry and their errors; numpy, scipy and scikit-image only."""
