"""A viewer and its images: results and their layers, planes, readers, writers, samples, recovery."""
