"""Walk every state of an entry up to the freeze of its draw, with a model and the code side by side.

In each state every call is tried on the emulator. One that the model allows must lead to the model's next state; any
other must be refused and change nothing. Each call is made with what was known when the entry was placed.
"""

from collections import deque
from collections.abc import Callable
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pytest

from chalicelib.allocation import draw
from chalicelib.booking import ending
from chalicelib.booking.locks import lock_rule
from chalicelib.domain import draw_window, entry, tokens
from chalicelib.domain.draw_record import ListKind
from chalicelib.domain.entry import Entry
from chalicelib.domain.person import Person
from chalicelib.domain.seat import EntryKey, State
from chalicelib.keys import keys
from chalicelib.storage import draw_store, entry_keys, entry_store, items, request_store, seat_store
from tests.proof import inprocess
from tests.unit.allocation.drawing import put
from tests.unit.allocation.entrants import CLOSES, OPENS, WEEK
from tests.unit.booking.steps import AWA

NONE, HELD, UNPROVEN, ENTERED, GIVEN_BACK, LEFT, EXPIRED = (
    *("none", "held", "unproven", "entered"),
    *("given back", "left", "expired"),
)
BEFORE, AFTER = "before", "after"
MOMENTS = {BEFORE: CLOSES - timedelta(minutes=1), AFTER: CLOSES + timedelta(minutes=2)}
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
RECEIPT = "a" * tokens.RECEIPT_LENGTH


class World(NamedTuple):
    """An entry, and the draw. Of time only the order matters."""

    state: str = NONE
    proved: str = ""
    """Whether the e-mail address was proven before or after the close."""
    over: str = ""
    """Whether the time of the hold, of the proof or of the entry ran out before or after the close."""
    now: str = BEFORE
    frozen: bool = False
    listed: bool = False

    def is_in_time(self, *states: str) -> bool:
        return self.state in states and not self.over


def allowed(world: World) -> dict[str, World]:
    """Return the calls that succeed, each with the world after it."""
    can = {}
    if world.state == NONE:
        can["create"] = world._replace(state=HELD)
    if world.is_in_time(HELD):
        can["file"] = world._replace(state=UNPROVEN)
        can["give back"] = world._replace(state=GIVEN_BACK)
    if world.is_in_time(UNPROVEN):
        can["prove"] = world._replace(state=ENTERED, proved=world.now)
    if world.is_in_time(UNPROVEN, ENTERED):
        can["change preferences"] = world
    if world.state in {UNPROVEN, ENTERED}:
        can["leave"] = world._replace(state=LEFT, over="")
        if world.over:
            can["expire"] = world._replace(state=EXPIRED, over="")
    if world.is_in_time(HELD, UNPROVEN, ENTERED):
        can["time runs out"] = world._replace(over=world.now)
    if world.now == BEFORE:
        can["the window closes"] = world._replace(now=AFTER)
    elif not world.frozen:
        takes_part = world.state == ENTERED and world.proved == BEFORE and world.over != BEFORE
        can["freeze"] = world._replace(frozen=True, listed=takes_part)
    return can


class Play:
    """The code on the emulator's table."""

    def __init__(self, emulator: inprocess.Emulator) -> None:
        self.emulator, self.now = emulator, MOMENTS[BEFORE]
        self.service = put({"beacon": "drand"})
        promised = draw.promise(self.service, draw_window.window_of(self.service, WEEK), [], OPENS)
        assert promised
        self.promised = promised
        key = EntryKey("aes", "a" * 16)
        self.entry = Entry(key, State.PENDING, "hold", self.now)
        person = keys().person_key(AWA.first_name, AWA.last_name, AWA.birth_date)
        self.person = Person(person, "aes", key, "hold", AWA, "AES-1", self.now)
        self.calls: dict[str, Callable[[], bool]] = {
            "create": lambda: entry_store.create(key, "hold", ["tue-am"], self.now + DAY, self.now + DAY),
            "file": self.file,
            "give back": lambda: seat_store.give_back(key, "hold", self.now),
            "prove": lambda: entry_store.confirm(self.entry, RECEIPT, self.now + entry.LIFE, self.now),
            "change preferences": lambda: entry_store.change_preferences(self.entry, ["tue-am"], self.now),
            "leave": lambda: self.end(State.CANCELLED),
            "expire": lambda: self.end(State.EXPIRED),
            "freeze": lambda: draw.freeze(self.service, self.promised, self.now).lists != {},
        }

    def file(self) -> bool:
        now, rule = self.now, lock_rule(self.service, self.now)
        email_key = keys().email_key(AWA.email)
        return request_store.file(self.person, email_key, now + DAY, now=now, erase_at=now + DAY, is_live=rule)

    def end(self, ended: State) -> bool:
        return ending.end_request(self.service, self.entry, ended, now=self.now)

    def call(self, what: str) -> bool:
        if what == "time runs out":
            item = next(item for item in self.emulator.items() if "until" in item)
            item["until"] = {"N": str((self.now - SECOND - items.EPOCH) // timedelta(milliseconds=1))}
        elif what != "the window closes":
            return self.calls[what]()
        return True

    def world(self, now: str) -> World:
        """Return the table as the model has it."""
        stored = draw_store.read("aes", WEEK)
        assert stored
        frozen = ListKind.ENTRIES in stored.lists
        listed = frozen and RECEIPT in draw_store.read_list(stored, ListKind.ENTRIES)
        found = [one for one in entry_store.read_all("aes") if one.key == self.entry.key]
        if not found:
            return World(now=now, frozen=frozen, listed=listed)
        shown = {State.HELD: HELD, State.PENDING: UNPROVEN, State.CONFIRMED: ENTERED}
        ended = {None: GIVEN_BACK, State.CANCELLED: LEFT, State.EXPIRED: EXPIRED}
        state = shown.get(found[0].state) or ended[found[0].past_state]
        proved = side_of(found[0].proved_at)
        over = side_of(found[0].until) if found[0].until and found[0].until < MOMENTS[now] else ""
        return World(state, proved, over, now, frozen, listed)


def side_of(moment: datetime | None) -> str:
    return "" if moment is None else BEFORE if moment < CLOSES else AFTER


@pytest.fixture(autouse=True)
def _few_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry_keys, "SHARDS", 3)


@pytest.mark.slow
def test_in_every_state_of_an_entry_each_call_does_what_the_model_says() -> None:
    with inprocess.emulator() as emulator:
        play = Play(emulator)
        seen: dict[World, list[dict[str, Any]]] = {World(): deepcopy(emulator.items())}
        queue = deque(seen)
        while queue:
            world = queue.popleft()
            can = allowed(world)
            for what in sorted({*play.calls, *can}):
                emulator.put_back(seen[world])
                after, play.now = can.get(what, world), MOMENTS[world.now]
                assert play.call(what) == (what in can or (what == "freeze" and world.frozen)), (what, world)
                assert play.world(after.now) == after, (what, world)
                if after not in seen:
                    seen[after] = deepcopy(emulator.items())
                    queue.append(after)
        assert len(seen) == 52
