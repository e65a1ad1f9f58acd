"""What the project dock shows of a folder of images, and cells to put there."""

import numpy as np

from napari_centermask.core.instances import Instance
from napari_centermask.widgets.edit.correction import edit_session_of


def ids(dock):
    return {i.file_name: i.id for i in dock.project.images}


def statuses(dock):
    return [dock.images.status(i.id) for i in dock.project.images]


def cell(y=20, x=20, size=10, **fields):
    return Instance(0, y, x, np.ones((size, size), bool), **fields)


def edits_of(dock):
    return edit_session_of(dock.session.session, dock.session.layer)
