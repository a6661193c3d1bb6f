"""From an image file to the pixels that training sees.

The papers' code opens a file, converts it to RGB and applies torchvision's ``Resize((size, size))``
to the PIL image, which is Pillow's own bilinear filter with antialiasing. The same calls are made
here, so the pixels are the same: a photograph lies on its side where only its EXIF orientation
says how it is held, and transparent pixels show the colours that they hide. Images of one's own are
read as viewers show them, upright and on white.
"""

import functools
import os
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spml.plumbing.errors import UserError

if TYPE_CHECKING:
    from PIL import Image

# Modes of Pillow that its conversion to RGB clips instead of scaling.
WIDE = ("I", "I;16", "I;16B", "I;16L", "I;16N", "F")


def _as_viewed(image: "Image.Image") -> "Image.Image":
    """Turned by its EXIF orientation, and laid on white where it is transparent."""
    from PIL import Image, ImageOps

    upright = ImageOps.exif_transpose(image)
    if not upright.has_transparency_data:
        return upright
    paper = Image.new("RGBA", upright.size, "white")
    return Image.alpha_composite(paper, upright.convert("RGBA"))


def decode_image(
    path: str | Path, size: int, channels: int = 3, *, as_viewed: bool = False
) -> np.ndarray:
    """(size, size, channels) uint8 of an image file; what keeps it from being read is a UserError.

    channels: 3 for RGB, 1 for grey. as_viewed: upright and on white, as viewers show it; else as
    torchvision reads it.
    """
    from PIL import Image  # not needed where images are packed

    try:
        with Image.open(path) as image:
            if image.mode in WIDE:
                raise ValueError(f"{image.mode} has more than 8 bits a channel; convert it first")
            seen = _as_viewed(image) if as_viewed else image
            converted = seen.convert("L" if channels == 1 else "RGB")
            resized = converted.resize((size, size), Image.Resampling.BILINEAR)
    except FileNotFoundError:
        raise UserError(f"image {path} does not exist{_other_accents(Path(path))}") from None
    except Image.DecompressionBombError as error:
        raise UserError(f"image {path} is too large ({error}); shrink it first") from error
    # Decoders raise what they like: IndexError for a short profile, RuntimeError for AVIF.
    except Exception as error:
        intact = "MAX_TEXT" in str(error) or "too large for" in str(error)
        remedy = "save it without its texts and profiles" if intact else "get the file again"
        raise UserError(f"image {path} cannot be decoded ({error}); {remedy}") from error
    return np.asarray(resized).reshape(size, size, channels)


def _other_accents(path: Path) -> str:
    """What to do about a name whose accents the file system has in another form."""
    for form in ("NFC", "NFD"):
        if path.with_name(unicodedata.normalize(form, path.name)).exists():
            return (
                f"; the file's name has its accents in another form (Unicode's {form}): rename it"
            )
    return "; the dataset is incomplete"


class DecodedImages:
    """Images of a split that are decoded when they are asked for, with the interface of an array.

    Indexing with row numbers (B,) or a slice gives (B, size, size, 3) uint8, equal to what packing
    stores. as_viewed: as :func:`decode_image` has it.
    """

    def __init__(
        self, folder: Path, paths: list[str], size: int, *, as_viewed: bool = False
    ) -> None:
        self.folder = folder
        self.as_viewed = as_viewed
        self.paths = paths
        self.shape = (len(paths), size, size, 3)
        # Pillow lets other threads run while it decodes and resizes.
        self._threads = ThreadPoolExecutor(len(os.sched_getaffinity(0)))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, rows: np.ndarray | slice) -> np.ndarray:
        decode = functools.partial(decode_image, size=self.shape[1], as_viewed=self.as_viewed)
        files = [self.folder / self.paths[row] for row in np.arange(len(self))[rows]]
        images = list(self._threads.map(decode, files))
        return np.stack(images) if images else np.zeros((0, *self.shape[1:]), dtype=np.uint8)
