"""The dock that follows cells through time and depth, and corrects their tracks."""
