"""Training parts of each family of networks; see `training.data.parts`."""
