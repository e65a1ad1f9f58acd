"""What each family of networks is to training; see `training.data.parts`."""
