"""What a figure is in print: the size of its page and of the text on it, read from its PDF."""

import re
import zlib
from pathlib import Path

POINTS = 72  # an inch


def page_inches(path: Path) -> tuple[float, float]:
    """Width and height of a PDF of one page."""
    [box] = re.findall(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", path.read_bytes())
    return float(box[0]) / POINTS, float(box[1]) / POINTS


def text_sizes(path: Path) -> set[float]:
    """The sizes in points in which text is set; scaled text would have a matrix that is no turn."""
    sizes = set()
    # A carriage return before the end is the last byte of the stream, as it is of one in 256.
    for stream in re.findall(rb"stream\r?\n(.*?)\nendstream", path.read_bytes(), re.S):
        try:
            content = zlib.decompress(stream)
        except zlib.error:  # no content of a page
            continue
        sizes |= {float(size) for size in re.findall(rb"/F\S+ ([\d.]+) Tf", content)}
        for a, b in re.findall(rb"^(\S+) (\S+) \S+ \S+ \S+ \S+ Tm", content, re.M):
            assert abs(float(a) ** 2 + float(b) ** 2 - 1) < 1e-6
    return sizes
