"""One module a dataset; each turns raw material into :class:`spml.data.labels.Labels`.

The modules of real datasets share one interface:

image_folder(root)       the folder that image paths are relative to
read_split(root, split)  class names and the :class:`spml.data.labels.Split` of ``train`` or
                         ``test``, with boxes in fractions of the image's width and height

Where one says ``AS_VIEWED = True``, its images are read as viewers show them, upright and on white,
and not as the papers' code reads them.

``root`` is the official tree, or the parts of it that the split needs. A file that is missing or
has another layout is a :class:`spml.plumbing.errors.UserError`.
"""

import importlib
from types import ModuleType

from ..plumbing.errors import UserError

MODULES = ("voc2012", "coco2014", "nuswide", "cub", "openimages", "table")
SHORT_NAMES = {"voc": "voc2012", "coco": "coco2014", "nus": "nuswide"}


def dataset_module(name: str) -> ModuleType:
    """The module of a real dataset, by its name or its short name."""
    module = SHORT_NAMES.get(name, name)
    if module not in MODULES:
        known = ", ".join([*SHORT_NAMES, *MODULES])
        raise UserError(f"there is no dataset {name!r}; allowed: {known}")
    return importlib.import_module(f"{__name__}.{module}")
