"""`python -m napari_centermask` is the command line."""

from napari_centermask.cli import main

if __name__ == "__main__":
    main()
