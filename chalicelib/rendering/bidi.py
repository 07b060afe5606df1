"""Arabic text on paper: joined letters, and the order in which a line is drawn. Browsers do both by themselves."""

import unicodedata

from arabic_reshaper import ArabicReshaper
from bidi.algorithm import get_display

LEFT_TO_RIGHT, RIGHT_TO_LEFT, END = "\u202a", "\u202b", "\u202c"
_ISOLATES_AS_EMBEDDINGS = str.maketrans("\u2066\u2067\u2068\u2069", LEFT_TO_RIGHT + RIGHT_TO_LEFT + LEFT_TO_RIGHT + END)
"""`bidi` does not know isolates. Embeddings are what they replaced in Unicode 6.3."""
_WITHOUT_MARKS = dict.fromkeys(map(ord, LEFT_TO_RIGHT + RIGHT_TO_LEFT + END))
_RIGHT_TO_LEFT_CLASSES = {"R", "AL", "AN"}

_shaper = ArabicReshaper({"ARABIC LIGATURE ALLAH": "no"})  # the font has no such glyph


def is_right_to_left(text: str) -> bool:
    """Tell whether a text has a letter that is written from right to left."""
    return any(unicodedata.bidirectional(character) in _RIGHT_TO_LEFT_CLASSES for character in text)


def isolate(value: str) -> str:
    """Mark a value, such as a name or a time, so that the text around it does not change its direction."""
    classes = (unicodedata.bidirectional(character) for character in value)
    first = next((name for name in classes if name in _RIGHT_TO_LEFT_CLASSES | {"L"}), "L")
    return f"{LEFT_TO_RIGHT if first == 'L' else RIGHT_TO_LEFT}{value}{END}"


def shape(text: str) -> str:
    """Give each Arabic letter the form that it has beside its neighbours. The text keeps its reading order.

    Accents are composed, because PDF does not place an accent on a letter. Arabic vowel signs are left out.
    """
    return str(_shaper.reshape(unicodedata.normalize("NFC", text).translate(_ISOLATES_AS_EMBEDDINGS)))


def visual_order(line: str, *, right_to_left: bool) -> str:
    """Return a line of shaped text in the order in which it is drawn, from left to right.

    `right_to_left` is the direction of the paragraph.
    """
    if not right_to_left and not is_right_to_left(line):
        return line.translate(_WITHOUT_MARKS)
    return str(get_display(line, base_dir="R" if right_to_left else "L"))


def reopen_directions(lines: list[str]) -> list[str]:
    """Begin each line of a text with the direction marks that the lines before it left open."""
    open_marks, reopened = "", []
    for line in lines:
        reopened.append(open_marks + line)
        for character in line:
            if character in (LEFT_TO_RIGHT, RIGHT_TO_LEFT):
                open_marks += character
            elif character == END:
                open_marks = open_marks[:-1]
    return reopened
