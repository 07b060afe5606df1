"""Book, confirm and erase one appointment of a hidden service as an applicant does."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from datetime import time as wall_time
from functools import cached_property
from http import HTTPStatus

from chalicelib.canary.trial import Trial
from chalicelib.domain.seat import SeatKey
from chalicelib.domain.service import Service

AHEAD = timedelta(days=3)
START = wall_time(9)
OPENED = timedelta(hours=1)
"""The age of the opened seat. A function whose clock is a few minutes slow must still see it as open."""


def seat_key(service: Service, now: datetime) -> SeatKey:
    """Return the seat to book. Its week is shown by the hidden service at `now` and as long as the trial runs."""
    return SeatKey(now.astimezone(service.zone).date() + AHEAD, START, 1, service.id)


@dataclass(frozen=True)
class BookingTrial(Trial):
    """The trial of a booking."""

    part = "booking"

    @cached_property
    def seat(self) -> SeatKey:
        """The seat that the trial books."""
        return seat_key(self.service, self.now)

    def steps(self) -> Iterator[str]:
        """Run all steps. The API must answer first."""
        self.wait_for("the API", lambda: self.call("GET", "/health")[0] == HTTPStatus.OK or None)
        yield "the API answers"
        yield from super().steps()

    def apply(self) -> Iterator[str]:
        """Open the seat, and run the steps from the hold to the erasure."""
        self.open_seat()
        hold = self.wait_for("a hold", self.place_hold)
        yield "a seat can be held"
        yield from self.book(hold)

    def book(self, hold: str) -> Iterator[str]:
        """Run the steps from the captcha to the erasure."""
        hold = self.pass_captcha(hold)
        yield "the captcha is shown, and accepts what it shows"
        link = self.file(hold, self.seat)
        self.wait_for_letter("the first e-mail", "confirm", self.seat)
        yield "a request is filed, and its letter has left"
        self.expect(200, "POST", f"{link}/confirmation")
        self.wait_for_letter("the convocation", "convocation", self.seat)
        yield "it is confirmed, and the convocation has left"
        self.expect(200, "POST", f"{link}/erasure")
        yield "it is erased"

    def open_seat(self) -> None:
        """Create the seat to book. The hidden service's rules create none."""
        self.items.open_seat(self.seat, self.now - OPENED)

    def place_hold(self) -> str | None:
        """Hold that seat and return the hold token, or None while the functions do not see the seat yet."""
        wish = {"date": self.seat.day.isoformat(), "start": f"{START:%H:%M}", "conditions_accepted": True}
        status, answer = self.call("POST", f"/services/{self.service.id}/holds", wish)
        return str(answer["hold"]) if status == HTTPStatus.CREATED else None

    def delete_applications(self) -> None:
        """Delete the seats with their people."""
        self.items.delete_seats(self.now)
