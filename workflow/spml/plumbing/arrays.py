"""Reading ``.npz`` files, where a damaged one is a sentence and not a stack trace."""

import contextlib
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from spml.plumbing.errors import UserError


@contextlib.contextmanager
def open_arrays(path: str | Path) -> Iterator[Any]:
    """The arrays of ``path`` by name, read when they are asked for.

    A file that is missing, cut short or damaged is a :class:`UserError`, and so is one without an
    array that is asked for, as another version has left it.
    """
    try:
        # Only opening raises ValueError for a damaged file; later it would be the reader's own.
        try:
            archive = np.load(path, allow_pickle=False)
        except ValueError as error:
            raise zipfile.BadZipFile(str(error)) from error
        with archive as arrays:
            yield arrays
    except KeyError as error:
        if "is not a file in the archive" not in str(error):
            raise  # of a dictionary of the reader's own
        name = str(error.args[0]).split()[0]
        raise UserError(
            f"{path} has no {name}, since another version of this workflow made it; delete it and "
            "start again: it is made anew"
        ) from error
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(
            f"{path} cannot be read ({error}); delete it and start again: it is made anew"
        ) from error
