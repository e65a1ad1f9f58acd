"""The dock with the models on this computer."""
