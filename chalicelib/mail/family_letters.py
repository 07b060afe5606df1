"""Letters to people who were booked together: one for each e-mail address, which names them all."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from chalicelib.booking import families
from chalicelib.domain import emails, names
from chalicelib.domain.person import Person
from chalicelib.domain.seat import SeatKey
from chalicelib.domain.service import Service
from chalicelib.mail.letter_kinds import LetterKind
from chalicelib.mail.letter_parts import Action
from chalicelib.rendering.i18n import Locale

TO_ALL = {LetterKind.CONVOCATION, LetterKind.MOVED, LetterKind.REMINDER}
"""Letters that are written to each e-mail address once, and name all."""
CHANGES = {LetterKind.CANCELLED, LetterKind.WITHDRAWN, LetterKind.DISPLACED}
"""Letters to one person after which the convocation of the others is no longer right."""


@dataclass(frozen=True, slots=True)
class Family:
    """Who was booked together and still has the appointment, and the URL of each request by the person key."""

    members: Sequence[Person] = ()
    links: Mapping[str, str] | None = None
    renewed: bool = False
    """Whether the convocation is sent because another person of the family has left."""

    @property
    def is_several(self) -> bool:
        return len(self.members) > 1


ALONE = Family()


def also_due(
    kind: LetterKind, mark: str, about: Person, members: Sequence[Person]
) -> Iterator[tuple[LetterKind, str, Person]]:
    """Yield the letters that follow from a letter that is due about one of a family: kind, mark and to whom.

    Two mailers may work on the changes of two people at once. So a letter for which each of them has a change of
    their own follows from the change of the person to whom it goes.
    """
    if kind is LetterKind.REMINDER:
        for person in _to_remind(about, members):
            yield kind, f"{kind}:{_day(about)}", person
        return
    for person in families.recipients(members):
        if kind is LetterKind.CONVOCATION and person.key != about.key:
            continue
        if kind in TO_ALL:
            yield kind, mark, person
        elif kind in CHANGES:  # one for each person who leaves
            yield LetterKind.CONVOCATION, f"{LetterKind.CONVOCATION}:{mark}:{about.reference}", person


def _to_remind(about: Person, members: Sequence[Person]) -> list[Person]:
    """Return who gets a reminder from the change of one person: that person.

    If nobody who comes on that day has an e-mail address, it goes to the whole family, from the change of the first one
    of that day.
    """
    same_day = [member for member in members if _day(member) == _day(about)]
    if recipients := families.recipients(same_day):
        return [person for person in recipients if person.key == about.key]
    return families.recipients(members) if same_day and same_day[0].key == about.key else []


def _day(person: Person) -> date | None:
    return person.seat.day if isinstance(person.seat, SeatKey) else None


def is_renewed(mark: str) -> bool:
    """Tell whether a mark is that of a convocation that `also_due` yields after another person has left."""
    return mark.startswith(f"{LetterKind.CONVOCATION}:")


def facts(service: Service, family: Family, locale: Locale) -> list[tuple[str, str]]:
    """Return each person with their time and reference, as facts of the letter; with the date if there are several."""
    has_days = len({_day(person) for person in family.members}) > 1
    return [(_name(person), _appointment(service, person, locale, has_day=has_days)) for person in family.members]


def _name(person: Person) -> str:
    return names.full_name(person.details.first_name, person.details.last_name)


def _appointment(service: Service, person: Person, locale: Locale, *, has_day: bool) -> str:
    start = service.start_of(person.seat)
    text = locale._("{clock}, référence {reference}").format(
        clock=locale.time_of_day(start), reference=person.reference
    )
    return f"{locale.full_date(start.date())} : {text}" if has_day else text


def links(person: Person, family: Family, locale: Locale) -> tuple[Action, ...]:
    """Return the links to the requests of the others whom this person's e-mail address reaches, and no other one."""
    mailbox = emails.mailbox_key(person.details.email)
    others = [member for member in family.members if member.key != person.key]
    managed = [
        member for member in others if not member.details.email or emails.mailbox_key(member.details.email) == mailbox
    ]
    label = locale._("Voir et gérer le rendez-vous de {name}")
    return tuple((label.format(name=_name(member)), (family.links or {})[member.key]) for member in managed)
