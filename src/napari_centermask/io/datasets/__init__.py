"""Folders of training data: COCO, and those of other tools as they are, with the splits that they have."""
