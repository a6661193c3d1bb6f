"""Pictures in a terminal that can show them: by kitty's protocol or iTerm2's.

Both take a PNG as it is, among escape sequences. Whether a terminal knows one of them is read from
the environment, since asking the terminal itself could leave its answer on the next command line.
"""

import base64
from collections.abc import Mapping

KITTY, ITERM2 = "kitty", "iterm2"
_CHUNK = 4096  # letters: kitty takes no longer escape sequences


def picture_protocol(environment: Mapping[str, str]) -> str:
    """The protocol of the terminal; empty where none is known, or another program is between."""
    name, program = environment.get("TERM", ""), environment.get("TERM_PROGRAM", "")
    if "TMUX" in environment or name.startswith(("screen", "tmux", "dumb")):
        return ""
    if "KITTY_WINDOW_ID" in environment or name in ("xterm-kitty", "xterm-ghostty"):
        return KITTY
    if program in ("iTerm.app", "WezTerm") or environment.get("LC_TERMINAL") == "iTerm2":
        return ITERM2
    return ""


def inline_picture(png: bytes, protocol: str, *, columns: int) -> str:
    """The escape sequences that show a PNG at a width of ``columns`` letters."""
    text = base64.standard_b64encode(png).decode()
    if protocol == ITERM2:
        size = f"size={len(png)};width={columns};preserveAspectRatio=1"
        return f"\x1b]1337;File=inline=1;{size}:{text}\a\n"
    parts = [text[start : start + _CHUNK] for start in range(0, len(text), _CHUNK)]
    sequences = []
    for number, part in enumerate(parts, start=1):
        # A PNG (f=100), shown at once (a=T), without an answer (q=2); more parts follow (m=1).
        keys = [f"a=T,f=100,q=2,c={columns}"] * (number == 1) + [f"m={int(number < len(parts))}"]
        sequences.append(f"\x1b_G{','.join(keys)};{part}\x1b\\")
    return f"{''.join(sequences)}\n"
