"""Arabic and Latin words on one line: joined letters, and the order in which they are seen. For paper alone."""

import unicodedata

from arabic_reshaper import ArabicReshaper
from bidi.algorithm import get_display

LEFT_TO_RIGHT, RIGHT_TO_LEFT, END = "\u202a", "\u202b", "\u202c"
_EMBEDDED = str.maketrans("\u2066\u2067\u2068\u2069", LEFT_TO_RIGHT + RIGHT_TO_LEFT + LEFT_TO_RIGHT + END)
"""Isolates as the embeddings that they replaced: `bidi` is older than they are."""
_UNMARKED = dict.fromkeys(map(ord, LEFT_TO_RIGHT + RIGHT_TO_LEFT + END))
_LEFTWARD = {"R", "AL", "AN"}

_shaper = ArabicReshaper({"ARABIC LIGATURE ALLAH": "no"})  # the font has no such glyph


def is_right_to_left(text: str) -> bool:
    """Has it any letter that is written from right to left?"""
    return any(unicodedata.bidirectional(character) in _LEFTWARD for character in text)


def isolate(value: str) -> str:
    """A name, a time, an address as one piece that runs in its own direction, whatever stands around it."""
    kinds = (unicodedata.bidirectional(character) for character in value)
    first = next((kind for kind in kinds if kind in _LEFTWARD | {"L"}), "L")
    return f"{LEFT_TO_RIGHT if first == 'L' else RIGHT_TO_LEFT}{value}{END}"


def shape(text: str) -> str:
    """Text in the order of reading, each letter in the form that it has beside its neighbours: ready to be measured.

    Accents are composed, for PDF does not put one on a letter by itself; the vowel signs of Arabic are left out.
    """
    return str(_shaper.reshape(unicodedata.normalize("NFC", text).translate(_EMBEDDED)))


def visual_order(line: str, *, leftward: bool) -> str:
    """One line of what `joined` gave, as it stands on paper from left to right."""
    if not leftward and not is_right_to_left(line):
        return line.translate(_UNMARKED)
    return str(get_display(line, base_dir="R" if leftward else "L"))


def split_lines(lines: list[str]) -> list[str]:
    """Lines of one text, each beginning with the directions that those before left open."""
    opened, whole = "", []
    for line in lines:
        whole.append(opened + line)
        for character in line:
            if character in (LEFT_TO_RIGHT, RIGHT_TO_LEFT):
                opened += character
            elif character == END:
                opened = opened[:-1]
    return whole
