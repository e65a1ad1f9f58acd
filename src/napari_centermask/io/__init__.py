"""Images and annotation files in and out."""
