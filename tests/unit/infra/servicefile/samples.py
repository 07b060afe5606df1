"""A service file without mistakes, and changed copies of it."""

GOOD = """\
id: essai
name: {fr: "Essai", fr-x-facile: "Essai", en: "Trial", ar: "تجربة", tr: "Deneme"}
timezone: Europe/Paris
slot_minutes: 5
plannings:
  - desks: [1, 2]
    openings:
      - days: [tuesday, thursday]
        from: "09:15"
        to: "10:30"
        breaks:
          - {from: "10:00", to: "10:15"}
closures:
  - {first: 2026-12-24, last: 2027-01-03, reason: "Fin d’année"}
public_holidays: {department: "42"}
release:
  weeks_ahead: 2
  on_holiday: same_day
  moments:
    - {day: monday, at: "09:00", seats: 30}
    - {day: thursday, at: "18:00"}
times:
  hold_seconds: 180
  form_seconds: 900
  confirm_minutes: 2880
  notice_hours: 49
  return_hours: [2, 48]
  erase_days: 30
  choice_days: 7
limits: {extensions: 2, moves: 2}
office: "Préfecture de l’Exemple"
address: ["1 rue de l’Exemple"]
contact: "guichet@example.org"
reply_to: guichet@example.org
rights_address: "1 rue de l’Exemple"
intro: {fr: "Texte", fr-x-facile: "Texte", en: "Text", ar: "نص", tr: "Metin"}
not_for: []
documents: []
documents_note: []
otherwise:
  - {fr: "Texte", fr-x-facile: "Texte", en: "Text", ar: "نص", tr: "Metin"}
publisher: "La préfète de l’Exemple"
host: "Hébergeur Exemple, 2 rue de l’Exemple"
data_officer: "dpo@example.org"
accessibility_contact: "acces@example.org"
"""
"""48 seats a week; a change of one line keeps the numbers of the others."""

RELEASE = GOOD[GOOD.index("release:") : GOOD.index("times:")]
DRAW = """\
allocation: draw
draw:
  opens: {day: thursday, at: "09:00"}
  closes: {day: sunday, at: "18:00"}
  weeks_ahead: 2
  seniority_percent: 25
  preferences: 5
  beacon: drand
  witnesses: [temoin@association.example.org]
"""
DRAWN = GOOD.replace(RELEASE, DRAW)
"""The good file with a draw."""


def changed(*changes: tuple[str, str], of: str = GOOD) -> str:
    """The good file with each first text replaced by the second, once."""
    for old, new in changes:
        assert old in of
        of = of.replace(old, new, 1)
    return of
