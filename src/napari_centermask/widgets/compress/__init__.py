"""The dock that makes models smaller and faster, and shows how good and how fast each step is."""
