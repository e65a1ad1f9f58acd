"""How good a segmentation is: matching, metrics, reports."""
