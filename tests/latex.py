"""pdflatex on this machine: tables in a real document."""

import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

DOCUMENT = r"""\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage{array,booktabs,graphicx}
\begin{document}
%s
\end{document}
"""
TOLERANCE = 5  # points that a line may stick out: less than a reader sees


def typeset(tables: Iterable[str], folder: Path) -> str:
    """Typeset ``tables`` in one document; return the log, or fail with what TeX says."""
    program = shutil.which("pdflatex")
    if program is None or not _finds("booktabs.sty"):
        pytest.skip("pdflatex (packages texlive-latex-base, -recommended) is not installed")
    (folder / "tables.tex").write_text(DOCUMENT % "\\clearpage\n".join(tables), encoding="utf-8")
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
