"""What the author of a file probably meant: the nearest allowed word, or the word that a French one translates to."""

import re
import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches

_FRENCH = {
    "a": "to",
    "accueil": "home",
    "adresse": "address",
    "au": "to",
    "cache": "hidden",
    "choix": "choice",
    "de": "from",
    "debut": "from",
    "delais": "times",
    "demi_journees": "preferences",
    "departement": "department",
    "deplacements": "moves",
    "dernier": "last",
    "dimanche": "sunday",
    "duree": "slot_minutes",
    "durees": "times",
    "editeur": "publisher",
    "ferme": "closes",
    "fermeture": "closures",
    "fermetures": "closures",
    "fin": "to",
    "fuseau": "timezone",
    "fuseau_horaire": "timezone",
    "guichet": "desks",
    "guichets": "desks",
    "hebergeur": "host",
    "heure": "at",
    "horaires": "openings",
    "identifiant": "id",
    "interne": "internal",
    "internes": "internal",
    "jeudi": "thursday",
    "jour": "day",
    "jour_ouvre_suivant": "next_working_day",
    "jours": "days",
    "jours_feries": "public_holidays",
    "limites": "limits",
    "lundi": "monday",
    "mardi": "tuesday",
    "meme_jour": "same_day",
    "mercredi": "wednesday",
    "moment": "moments",
    "motif": "reason",
    "nom": "name",
    "ouverture": "openings",
    "ouvertures": "openings",
    "ouvre": "opens",
    "pause": "breaks",
    "pauses": "breaks",
    "places": "seats",
    "planning": "plannings",
    "prefecture": "office",
    "premier": "first",
    "raison": "reason",
    "repondre_a": "reply_to",
    "samedi": "saturday",
    "semaines_avant": "weeks_ahead",
    "temoins": "witnesses",
    "tirage": "draw",
    "tirage_au_sort": "draw",
    "vendredi": "friday",
}
"""French words, as `_folded` returns them, and the words of a service file."""
_CLOCK = re.compile(r"([0-9]{1,2}) ?[h:.] ?([0-9]{2})?", re.ASCII | re.IGNORECASE)
_DATE = re.compile(r"([0-9]{1,2})[/.-]([0-9]{1,2})[/.-]([0-9]{4})", re.ASCII)
_LONGEST = 40


def meant(word: object, allowed: Iterable[str]) -> str | None:
    """Return the allowed word that was probably meant; None if there is none."""
    if not isinstance(word, str):
        return None
    allowed = list(allowed)
    translated = _FRENCH.get(_folded(word))
    if translated in allowed:
        return translated
    near = get_close_matches(word[:_LONGEST], allowed, 1) or get_close_matches(_folded(word), allowed, 1)
    return near[0] if near else None


def meant_form(text: object, pattern: str) -> str | None:
    """Return the time or the date that a text such as `9h15` or `24/12/2026` means, if the pattern accepts that."""
    form = None
    if isinstance(text, str) and (clock := _CLOCK.fullmatch(text.strip())):
        form = f"{int(clock[1]):02}:{clock[2] or '00'}"
    elif isinstance(text, str) and (date := _DATE.fullmatch(text.strip())):
        form = f"{date[3]}-{int(date[2]):02}-{int(date[1]):02}"
    return form if form and re.search(pattern, form) else None


def _folded(word: str) -> str:
    """Return a word in small letters without accents, its parts joined by `_`."""
    plain = unicodedata.normalize("NFKD", word[:_LONGEST].casefold()).encode("ascii", "ignore").decode()
    return "_".join(re.findall("[a-z0-9]+", plain))
