"""The dock that exports models for other runtimes and programs."""
