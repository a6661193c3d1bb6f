"""Fonts for letters that the usual one lacks: of those that are installed, whichever have them.

Which fonts there are differs between machines, and with it the shape of such letters alone.
"""

from collections.abc import Iterable
from typing import Any

from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text

from spml.exhibits.style import FONT

SHOWN = 10  # letters that a sentence names


def _lacking(font: FT2Font, letters: Iterable[str]) -> set[str]:
    """Those of ``letters`` that a font has no glyph for."""
    return {letter for letter in letters if letter > " " and not font.get_char_index(ord(letter))}


def _installed() -> list[tuple[Any, FT2Font]]:
    """All fonts of this machine that can be drawn with, upright and regular ones first.

    The list that matplotlib keeps does not have those that were installed after it was made.
    """
    fonts = []
    for path in sorted(font_manager.findSystemFonts()):
        try:
            font = FT2Font(path)
            entry = font_manager.ttfFontProperty(font)
        except Exception:  # noqa: S112 - what cannot be read is no font to draw with
            continue
        if font.scalable and "last resort" not in entry.name.lower():
            fonts.append((entry, font))
    return sorted(
        fonts,
        key=lambda pair: (
            pair[0].weight not in (400, "normal", "regular"),
            pair[0].style != "normal",
            "sans" not in pair[0].name.lower(),
        ),
    )


def find_families(letters: Iterable[str]) -> tuple[list[str], set[str]]:
    """Families of fonts that together have ``letters``, and those letters that none has.

    The usual font comes first, then as few others as needed, each the one with most of the rest.
    """
    families = [FONT]
    missing = _lacking(font_manager.get_font(font_manager.findfont(FONT)), letters)
    fonts = _installed() if missing else []
    while missing and fonts:
        entry, font = min(fonts, key=lambda pair: len(_lacking(pair[1], missing)))
        rest = _lacking(font, missing)
        if rest == missing:
            break
        if entry.name not in font_manager.fontManager.get_font_names():
            font_manager.fontManager.addfont(entry.fname)
        families.append(entry.name)
        missing = rest
    return families, missing


def use_fonts(figure: Figure) -> str:
    """Give texts fonts that have their letters; return a sentence on letters that none has."""
    texts = [item for item in figure.findobj(Text) if not item.get_text().isascii()]
    families, missing = find_families({letter for text in texts for letter in text.get_text()})
    if len(families) > 1:
        for text in texts:
            text.set_fontfamily(families)
    if not missing:
        return ""
    shown = " ".join(sorted(missing)[:SHOWN])
    more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
    return (
        f"Boxes stand for letters that no font has on the machine that drew the figure: {shown}"
        f"{more}; install one that has them, such as Noto Sans CJK, delete the figure and make it "
        "again."
    )
