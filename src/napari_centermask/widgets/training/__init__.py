"""The dock that fine-tunes: the plan of a run, its progress, the comparison, and the use of the new model."""
