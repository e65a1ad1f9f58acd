"""Work off the GUI thread: one run at a time, what it does, and the engines it asks. Knows no layer and no dock."""
