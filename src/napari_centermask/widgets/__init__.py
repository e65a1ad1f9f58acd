"""What napari shows; the only package that knows Qt and napari."""
