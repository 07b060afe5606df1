"""The people of a rush: they look, wait, choose, read the captcha, type, and change their minds."""

import time
from collections.abc import Mapping
from typing import Any

import gevent

from tests.load.history import OK
from tests.load.rush.plan import PEOPLE
from tests.load.rush.visitor import Left, Visitor

GIVES_UP = 0.9
"""The share of people who leave when nothing is free."""

PRESSES = 3
"""How often a person sends the right answer while other visitors take each seat that the service tries."""


class Person(Visitor):
    """Somebody who wants an appointment."""

    group = PEOPLE

    def walk(self) -> None:
        """Look before the seats open, rush, and go through with what was caught."""
        plan, service = self.crowd.plan, f"/services/{self.crowd.plan.service}"
        self.insist("notice", service, page=True)
        self.think(2)
        self.insist("calendar", f"{service}/slots")
        gevent.sleep(max(0.0, plan.opens_at - time.time()) + self.chance.expovariate(1 / plan.haste))
        self.catch(service)
        while not self.prove():  # the last seat went while this person read the captcha
            self.try_later()
            self.catch(service)
        self.fill_in()
        self.confirm()

    def catch(self, service: str) -> None:
        """Try for a hold, as long as there is one and patience lasts."""
        first_free = self.chance.random() < 0.6
        near: list[Mapping[str, Any]] = []
        for _ in range(self.chance.choice((1, 2, 3, 4, 5))):
            if near:
                wish = self.chance.choice(near)
            elif first_free:
                wish = {"first_free": True}
            else:
                wish = self.choose(self.insist("calendar", f"{service}/slots").body)
            answer = self.insist("hold", f"{service}/holds", {**wish, "conditions_accepted": True})
            if answer.outcome == OK:
                return self.change_mind() if self.chance.random() < 0.08 else None
            near = list(answer.body.get("nearest", ()))
            if answer.code == "nothing-free":
                self.try_later()
            else:
                self.think(2 if near else 8)
        raise Left

    def try_later(self) -> None:
        """Nothing is free: most people leave, the others wait a little."""
        if self.chance.random() < GIVES_UP:
            raise Left
        self.think(8)

    def choose(self, calendar: Mapping[str, Any]) -> Mapping[str, Any]:
        """One of the slots that are free; the first free one where none is shown."""
        free = [
            {"date": day["date"], "start": slot["start"]}
            for day in calendar.get("days", ())
            for slot in day["slots"]
            if slot["free"]
        ]
        return self.chance.choice(free) if free else {"first_free": True}

    def change_mind(self) -> None:
        """Leave with a hold: half give it back, half just close the page."""
        self.note("changed mind")
        if self.chance.random() < 0.5:
            self.think(3)
            self.insist("end", f"{self.hold}/end", {})
        raise Left

    def prove(self) -> bool:
        """Pass the captcha; some are wrong once, some ask for more time. Return False if no seat is left."""
        if self.chance.random() < 0.05:
            self.need(self.insist("extend", f"{self.hold}/extension", {}))
        page = self.insist("captcha", self.hold, page=True)  # the picture, without the sound
        if page.code == "nothing-free":
            return False
        self.need(page)
        self.think(4)
        if self.chance.random() < 0.05:
            self.send_answer(page, "wrong")
        for _ in range(PRESSES):
            answer = self.send_answer(page)
            if answer.code != "slot-taken":
                break
            self.think(1)
        if answer.code == "nothing-free":
            return False
        self.need(answer)
        return True

    def fill_in(self) -> None:
        """Type the form; some look once more where the hold stands."""
        self.think(8)
        if self.chance.random() < 0.2:
            self.need(self.insist("view", self.hold))
        self.file()

    def confirm(self) -> None:
        """Open the letter's link and press its button; a few think again and cancel."""
        link = self.read_letter()
        self.think(3)
        self.insist("link", f"/requests/{link}", page=True)
        self.press_confirm(link)
        if self.chance.random() < 0.03:
            self.think(2)
            self.need(self.insist("cancel", f"/requests/{link}/cancellation", {}))
            self.crowd.tally["cancelled"] += 1
