"""pdflatex on this machine: tables in a real document."""

import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

# Not compressed, so that the sizes of text can be read.
DOCUMENT = r"""\pdfcompresslevel=0 \pdfobjcompresslevel=0
\documentclass[%s]{article}
\usepackage[T1]{fontenc}
\usepackage{array,booktabs}
\begin{document}
%s
\end{document}
"""
COLUMNS = ("onecolumn", "twocolumn")
TOLERANCE = 5  # points that a line may stick out: less than a reader sees


def typeset(tables: Iterable[str], folder: Path, columns: str = "onecolumn") -> str:
    """Typeset ``tables`` in one document; return the log, or fail with what TeX says."""
    program = shutil.which("pdflatex")
    if program is None or not _finds("booktabs.sty"):
        pytest.skip("pdflatex (packages texlive-latex-base, -recommended) is not installed")
    (folder / "tables.tex").write_text(
        DOCUMENT % (columns, "\\clearpage\n".join(tables)), encoding="utf-8"
    )
    command = [program, "-interaction=nonstopmode", "-halt-on-error", "tables.tex"]
    for _ in range(2):  # once more, for references
        done = subprocess.run(command, cwd=folder, capture_output=True)
        log = (folder / "tables.log").read_text(encoding="utf-8", errors="replace")
        assert done.returncode == 0, log[-3000:]
    return log


def _finds(file: str) -> bool:
    return not subprocess.run(["kpsewhich", file], capture_output=True).returncode


def complaints(log: str) -> list[str]:
    """Lines and pages that are too full, and references that lead nowhere."""
    found = [
        line
        for line in log.splitlines()
        if (match := re.search(r"Overfull .*\(([\d.]+)pt too", line))
        and float(match[1]) > TOLERANCE
    ]
    return found + re.findall(r".*(?:Float too large|undefined|multiply defined).*", log)


def text_sizes(folder: Path) -> dict[str, float]:
    """The fonts of what :func:`typeset` has made, each with the least size in points at which it is.

    Computer Modern is that of formulas alone, since text has the fonts of T1. Nothing may be scaled.
    """
    written = (folder / "tables.pdf").read_bytes().decode("latin-1")
    # A bitmap of a letter, which comes after d1, is scaled and is no text.
    scales = re.findall(r"(?<!d1\nq\n)^(\S+) \S+ \S+ (\S+) \S+ \S+ cm$", written, re.M)
    assert set(scales) <= {("1", "1")}, set(scales)
    objects = dict(re.findall(r"^/(F\d+) (\d+) 0 R", written.replace(" /F", "\n/F"), re.M))
    found: dict[str, float] = {}
    for name, size in re.findall(r"/(F\d+) ([\d.]+) Tf", written):
        definition = re.search(rf"^{objects[name]} 0 obj(.*?)endobj", written, re.M | re.S)
        font = re.search(r"/BaseFont /(?:\w+\+)?(\S+)", definition[1])
        key = font[1] if font else name
        found[key] = min(found.get(key, float("inf")), float(size))
    return found
