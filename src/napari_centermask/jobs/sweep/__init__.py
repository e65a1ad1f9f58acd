"""Train one run file with different settings, and find the best ones: on this computer, or as a job of a service."""
