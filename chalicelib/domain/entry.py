"""An entry in the draws of a service: its states and its preferences.

An entry has what a seat has for a request (hold, person, time to confirm), so the same code handles both. Nobody else
can take it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from chalicelib.domain.draw import ANY
from chalicelib.domain.draw_window import DAYS
from chalicelib.domain.messages import N_
from chalicelib.domain.refusals import InvalidFields
from chalicelib.domain.seat import EntryKey, Seat, SeatKey, State
from chalicelib.domain.service import Service

LIFE = timedelta(weeks=26)
"""How long an entry takes part in draws, from the proof of its e-mail address or from its last renewal."""
ENDS_SOON = timedelta(weeks=3)
"""How long before its end the applicant is told that an entry can be renewed."""
PREFERENCES = (*(f"{day}-{half}" for day in DAYS for half in ("am", "pm")), ANY)
"""Everything that an applicant can wish for: a half-day of the week, such as `tue-am`, or any of them."""

NONE_CHOSEN = N_("Choisissez au moins une demi-journée.")
TOO_MANY = N_("Vous avez choisi trop de demi-journées. Enlevez-en.")
NOT_OFFERED = N_("Cette demi-journée n’est pas proposée. Choisissez-en une de la liste.")
CHOSEN_TWICE = N_("Vous avez choisi deux fois la même demi-journée. Gardez-la une seule fois.")
ANY_NOT_LAST = N_("« N’importe quelle demi-journée » doit être votre dernier choix.")


class EntryState(StrEnum):
    """What has become of an entry, as its applicant sees it. DRAWN and OFFERED: its request now has a seat."""

    UNPROVEN = "unproven"
    ENTERED = "entered"
    DRAWN = "drawn"
    OFFERED = "offered"
    LEFT = "left"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as it is stored, without personal data. The fields that `Seat` has too have the same meaning.

    `until` is the end of the hold, of the time to prove the e-mail address, or of the entry. The state is PENDING until
    the address is proven, and OPEN once the entry has ended as `past_state`.
    """

    key: EntryKey
    state: State = State.OPEN
    hold: str = ""
    until: datetime | None = None
    captcha_passed: bool = False
    reminded: bool = False
    """Whether the applicant is to be told that the entry ends soon."""
    extensions: int = 0
    person: str = ""
    filed_at: datetime | None = None
    past: str = ""
    past_state: State | None = None
    generation: int = 0
    emails_refused: int = 0
    brief: bool = False
    captchas_due: int = 0
    checked_for: str = ""
    preferences: tuple[str, ...] = ()
    """Half-days such as `tue-am`, or `any`, most wanted first."""
    receipt: str = ""
    """The random name under which draws publish the entry. It is set with the proof of the e-mail address."""
    proved_at: datetime | None = None
    moved_to: SeatKey | None = None
    """The seat that the request moved to, once it was drawn or offered one."""
    erase_at: datetime | None = None
    """When all data about it is erased."""

    wished = None

    def holds(self, hold: str, now: datetime) -> bool:
        """Tell whether this hold has the entry, and is not over."""
        return self.hold == hold and self.state is not State.OPEN and self.until is not None and now < self.until

    @property
    def is_of_office(self) -> bool:
        """Tell whether the office entered somebody without an e-mail address: the entry was proven as it was filed."""
        return self.proved_at is not None and self.proved_at == self.filed_at

    def carries(self, hold: str, person: str) -> bool:
        """Tell whether it has the live request of this hold and person."""
        return self.state in {State.PENDING, State.CONFIRMED} and (self.hold, self.person) == (hold, person)

    def has_live(self, hold: str, person: str, now: datetime) -> bool:
        """Tell whether it has the request of this hold and person, and is not over."""
        return self.carries(hold, person) and self.holds(hold, now)


Carrier = Seat | Entry
"""What carries a hold or a request."""


def seat_of(carrier: Carrier) -> Seat:
    """Return the seat that carries a request. Raise ValueError for an entry."""
    if not isinstance(carrier, Seat):
        raise ValueError(f"{carrier.key.ref} is an entry")  # noqa: TRY004  # a key of the wrong kind
    return carrier


def erase_at(service: Service, carrier: Carrier, until: datetime | None) -> datetime:
    """Return when all data about a request is erased that may be confirmed, or takes part in draws, until `until`.

    An entry whose e-mail address is not proven yet may still live for `LIFE`; when it ends, this moment is brought
    forward.
    """
    if isinstance(carrier, Seat):
        return service.erase_at(carrier.key)
    if until is None:
        raise ValueError(f"{carrier.key.ref} has no request")
    life = timedelta() if carrier.state is State.CONFIRMED else LIFE
    return until + life + service.limits.erase_after


def check_preferences(chosen: Sequence[str], offered: Collection[str], most: int) -> tuple[str, ...]:
    """Return the preferences of a form, without the empty ones. `any` counts as one of them and must be the last.

    Raise InvalidFields if there is none, one is not offered, one is there twice, or there are more than `most`.
    """
    preferences = tuple(wish for text in chosen if (wish := text.strip().lower()))
    message = ""
    if not preferences:
        message = NONE_CHOSEN
    elif not set(preferences) <= {*offered, ANY}:
        message = NOT_OFFERED
    elif len(set(preferences)) < len(preferences):
        message = CHOSEN_TWICE
    elif len(preferences) > most:
        message = TOO_MANY
    elif ANY in preferences[:-1]:
        message = ANY_NOT_LAST
    if message:
        raise InvalidFields({"preferences": message})
    return preferences


def state_of(carrier: Carrier, state: State) -> EntryState | State:
    """Return the state that an applicant sees of a request in `state`, from an entry or from the seat of a draw."""
    if isinstance(carrier, Seat):
        return EntryState(carrier.by_draw) if state is State.PENDING and carrier.by_draw else state
    return _STATES[state]


_STATES = {
    State.PENDING: EntryState.UNPROVEN,
    State.CONFIRMED: EntryState.ENTERED,
    State.CANCELLED: EntryState.LEFT,
    State.WITHDRAWN: EntryState.LEFT,
    State.EXPIRED: EntryState.EXPIRED,
}
