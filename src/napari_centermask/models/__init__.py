"""The network, its card, and the models on this machine."""
