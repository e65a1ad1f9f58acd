"""Smaller and faster versions of a model: quantised, pruned, distilled, each step judged against the model it came from."""
