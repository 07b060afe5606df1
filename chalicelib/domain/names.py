"""Names of people: which texts are names, and which spellings are the same name.

The key of a person must be the same for every way in which a passport, a keyboard or a helper spells their name. It
must differ between two people, above all between twins, who share the date of birth and the family name.
"""

import re
import unicodedata
from collections.abc import Iterator

NO_NAME = "-"
"""Stands in the field that a person with a single name leaves empty. It changes no person key."""
_NO_NAME = {"sansprenom", "sansnom", "aucun", "xxx", "fnu", "lnu"}
"""How papers and people write that there is no first or last name."""
_DASHES = set("-–—")
_OTHER_LETTERS = {
    "æ": "ae",
    "œ": "oe",
    "þ": "th",
    "ð": "d",
    "ı": "i",
    "ȷ": "j",
    "ĸ": "k",
    "ŋ": "n",
    "ə": "a",  # Azerbaijani passports write Əliyev as ALIYEV
    "ǝ": "e",
    "ɛ": "e",
    "ɔ": "o",
    "ɵ": "o",
    "ʉ": "u",
    "ʊ": "u",
    "ɩ": "i",
    "ɣ": "g",
    "ʒ": "z",
    "ɑ": "a",
}
"""Latin letters without a Unicode decomposition. Those whose Unicode name is "X WITH …" (ø, ł, ɓ) need no entry."""
_WITH = re.compile(r"LATIN SMALL LETTER ([A-Z]) WITH .+")
_APOSTROPHES = "'’‘ʼʻʿʾ·"
_BETWEEN = _APOSTROPHES + " .-"
"""Characters that are allowed between the letters of a name. The middle dot is Catalan."""
MOST_MARKS = 4
"""The most combining marks on one letter. No language needs more, and a hundred would cover the lines above."""
_NAME = re.compile(rf"LM{{0,{MOST_MARKS}}}(?:(?:S*LM{{0,{MOST_MARKS}}})+S*)?")
_DIGRAPHS = re.compile(r"a[ae]+|oe+|u(?:e|xx)+|n(?:xx)+")
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_BLANK = {"\u034f", "\u115f", "\u1160", "\u17b4", "\u17b5", "\u2800", "\u3164", "\uffa0"}
"""Blank characters that Unicode counts as letters, marks or symbols: joiners, fillers and the empty braille cell."""
_VARIATION = re.compile("[\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")


# Validation


def is_invisible(character: str) -> bool:
    """Tell whether a character is invisible, or changes how the text around it is displayed."""
    blank = character in _BLANK or _VARIATION.match(character) is not None
    return blank or unicodedata.category(character) in _HIDDEN


def without_invisible(text: str) -> str:
    """Return a text without its invisible characters, which programs add to what is copied. White space stays."""
    return "".join(c for c in text if c.isspace() or not is_invisible(c))


def is_name(text: str) -> bool:
    """Tell whether a text in NFKC is a name in Latin letters.

    A name begins with a letter. A single letter is a name only by itself: `D'` is refused.
    """
    return _NAME.fullmatch("".join(map(_kind, text))) is not None


def says_no_name(text: str) -> bool:
    """Tell whether a text says that there is no such name: a hyphen, "sans prénom", or what passports print."""
    return (text != "" and set(text) <= _DASHES) or _glued(text) in _NO_NAME


def full_name(first_name: str, last_name: str) -> str:
    """Return the name as a sentence says it: `Awa Exemple`, or the single name of a person who has no other."""
    return " ".join(name for name in (first_name, last_name) if name != NO_NAME)


def has_other_script(text: str) -> bool:
    """Tell whether a text has letters of a script other than Latin."""
    return any(c.isalpha() and c not in _BETWEEN and _kind(c) == "?" for c in text)


def _kind(character: str) -> str:
    if character in _BETWEEN:
        return "S"
    if "\u0300" <= character <= "\u036f" and character not in _BLANK:
        return "M"
    letters = _fold(character).strip()
    return "L" if character.isalpha() and letters and letters.isascii() else "?"


# Comparison


def person_key(first_name: str, last_name: str) -> str:
    """Return one form for all spellings of a name; two names are the same person if their forms are equal.

    - Case, accents and invisible characters do not matter. Latin letters that are no accented letter (Ł, Đ, Ø, ß,
      ı, …) become the letters of a passport's machine-readable zone (ICAO Doc 9303, part 3).
    - That standard has two spellings of some letters (Müller is MUELLER or MULLER, Ñ is N or NXX). AE, OE, UE, AA, UXX
      and NXX become their first letter, so that all spellings are equal. Manuel therefore equals Manul, and Xue
      equals Xu. This refuses somebody only if they share the date of birth and the rest of the name as well.
    - Apostrophes, hyphens, dots and spaces do not matter: Abd El Kader is Abdelkader.
    - First and last name may be swapped, or divided elsewhere: people and their helpers often confuse the two
      fields, and many countries have no family name. The form is the smallest rotation of all letters in a circle.

    The order within a field matters. A key that ignored order and spaces alike could only count letters, and twins
    named Marion and Romain would be one person.
    """
    letters = _glued(f"{first_name} {last_name}")
    # The cut must not divide a digraph, so it is made before a letter that never continues one.
    cut = next((n for n, letter in enumerate(letters) if letter not in "aex"), None)
    letters = min(_rotations(letters)) if cut is None else letters[cut:] + letters[:cut]
    return min(_rotations(_merge(letters)))


def is_respelling(new: str, old: str) -> bool:
    """Tell whether two full names differ in spelling only: in order, and in one letter of four, two at most."""
    if person_key(new, "") == person_key(old, ""):
        return True
    before, after = _words(old), _words(new)
    most = min(2, len("".join(before)) // 4)
    pairs = (
        (_merge(_glued(new)), _merge(_glued(old))),
        ("".join(sorted(after)), "".join(sorted(before))),
        ("".join(_in_order_of(after, sorted(before))), "".join(sorted(before))),
    )
    return any(_distance(*pair) <= most for pair in pairs)


def has_beginnings(name: str, beginnings: str) -> bool:
    """Tell whether each word of `beginnings` begins a word of the name. A word may span several words of the name."""
    words = _fold(name).split()
    tails = [_merge("".join(words[n:])) for n in range(len(words))]
    searched = _words(beginnings) or [beginnings.strip()]
    glued = _merge(_glued(beginnings))
    return all(any(tail.startswith(word) for tail in tails) for word in searched if word) or (
        bool(glued) and any(tail.startswith(glued) for tail in tails)
    )


def _fold(text: str) -> str:
    """Return the letters of a text, Latin ones as a to z, with a space for each character that separates words."""
    bare = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(map(_bare_letter, bare))


def _bare_letter(character: str) -> str:
    if character.isascii() and character.isalpha():
        return character
    if character in _APOSTROPHES or is_invisible(character) or unicodedata.category(character)[0] == "M":
        return ""
    if match := _WITH.fullmatch(unicodedata.name(character, "")):
        return match[1].lower()
    return _OTHER_LETTERS.get(character, character if character.isalpha() else " ")


def _glued(name: str) -> str:
    return _fold(name).replace(" ", "")


def _merge(letters: str) -> str:
    """Replace the digraphs of the machine-readable zone by their first letter."""
    return _DIGRAPHS.sub(lambda match: match[0][0], letters)


def _words(name: str) -> list[str]:
    return [_merge(word) for word in _fold(name).split()]


def _rotations(letters: str) -> Iterator[str]:
    return (letters[n:] + letters[:n] for n in range(len(letters) or 1))


def _in_order_of(words: list[str], model: list[str]) -> list[str]:
    """Sort words by the position of the nearest word in the model: one other letter may change their order."""
    if not model:
        return sorted(words)
    return sorted(words, key=lambda word: min(range(len(model)), key=lambda n: _distance(word, model[n])))


def _distance(first: str, second: str) -> int:
    """Count the letters to insert, delete or replace (Levenshtein)."""
    row = list(range(len(second) + 1))
    for n, letter in enumerate(first, 1):
        last, row[0] = row[0], n
        for m, match in enumerate(second, 1):
            last, row[m] = row[m], min(row[m] + 1, row[m - 1] + 1, last + (letter != match))
    return row[-1]
