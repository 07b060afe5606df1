"""The people of a rush. They read, wait, choose a slot, solve the captcha and type; some change their minds."""

import time
from collections.abc import Mapping
from typing import Any

import gevent

from tests.load.history import OK
from tests.load.rush.plan import PEOPLE, first_request, lateness
from tests.load.rush.visitor import Left, Visitor

LEAVING_SHARE = 0.9
"""The share of people who leave when nothing is free."""

ANSWER_ATTEMPTS = 3
"""How often a person sends the right answer when other visitors take every seat that the service tries."""


class Person(Visitor):
    """A person who wants an appointment."""

    group = PEOPLE

    def walk(self) -> None:
        """Look before the seats open, ask for a seat when they open, and book it."""
        plan, service = self.crowd.plan, f"/services/{self.crowd.plan.service}"
        self.insist("notice", service, page=True)
        self.think(2)
        self.insist("calendar", f"{service}/slots")
        gevent.sleep(max(0.0, plan.opens_at + first_request(self.chance, plan.haste) - time.time()))
        self.get_hold(service)
        while not self.pass_captcha():  # the last seat went while this person read the captcha
            self.try_later()
            self.get_hold(service)
        self.fill_in()
        self.confirm()

    def get_hold(self, service: str) -> None:
        """Ask for a hold up to five times. Raise Left when this person gives up."""
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
        """Wait until seats may be free again. Most people leave instead: raise Left for them."""
        if self.chance.random() < LEAVING_SHARE:
            raise Left
        self.think(8)

    def choose(self, calendar: Mapping[str, Any]) -> Mapping[str, Any]:
        """Choose a slot that the calendar shows as free, or the first free one if it shows none."""
        free = [
            {"date": day["date"], "start": slot["start"]}
            for day in calendar.get("days", ())
            for slot in day["slots"]
            if slot["free"]
        ]
        return self.chance.choice(free) if free else {"first_free": True}

    def change_mind(self) -> None:
        """Leave with a hold: half of these people give it back, the others just close the page."""
        self.note("changed mind")
        if self.chance.random() < 0.5:
            self.think(3)
            self.insist("end", f"{self.hold_path}/end", {})
        raise Left

    def pass_captcha(self) -> bool:
        """Pass the captcha, sometimes after an extension or a wrong answer. Return False if no seat is left."""
        if self.chance.random() < 0.05:
            self.need(self.insist("extend", f"{self.hold_path}/extension", {}))
        page = self.insist("captcha", self.hold_path, page=True)  # the picture, without the sound
        if page.code == "nothing-free":
            return False
        self.need(page)
        self.think(4)
        if self.chance.random() < 0.05:
            self.send_answer(page, "wrong")
        for _ in range(ANSWER_ATTEMPTS):
            answer = self.send_answer(page)
            if answer.code != "slot-taken":
                break
            self.think(1)
        if answer.code == "nothing-free":
            return False
        self.need(answer)
        return True

    def late_for_turn(self) -> float:
        """Return tenths of a second for a page that goes on by itself, or seconds for a person without script."""
        return lateness(self.chance)

    def fill_in(self) -> None:
        """Fill in the form. Some people load the page of their hold once more."""
        self.think(8)
        if self.chance.random() < 0.2:
            self.need(self.insist("view", self.hold_path))
        self.file()

    def confirm(self) -> None:
        """Open the link of the letter and confirm. A few people cancel afterwards."""
        link = self.read_letter()
        self.think(3)
        self.insist("link", f"/requests/{link}", page=True)
        self.press_confirm(link)
        if self.chance.random() < 0.03:
            self.think(2)
            self.need(self.insist("cancel", f"/requests/{link}/cancellation", {}))
            self.crowd.tally["cancelled"] += 1
