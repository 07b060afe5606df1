"""Enter a draw of a hidden service, prove the e-mail address and erase the entry, as an applicant does.

Nothing is ever drawn in this service (`Service.is_canary_draw`), so its window is always open.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus

from chalicelib.canary.trial import Trial
from chalicelib.domain.draw import ANY


@dataclass(frozen=True)
class EntryTrial(Trial):
    """The trial of an entry in a draw."""

    part = "draw"

    def apply(self) -> Iterator[str]:
        """Run the steps from the entry to its erasure."""
        hold = self.pass_captcha(self.wait_for("an entry", self.place_entry))
        yield "a draw can be entered, and its captcha accepts what it shows"
        entry = self.items.keys.read_hold_token(hold).key
        link = self.file(hold, entry)
        self.wait_for_letter("the first e-mail", "entry", entry)
        yield "an entry is filed, and its letter has left"
        self.expect(200, "POST", f"{link}/confirmation")
        self.wait_for_letter("the receipt", "entered", entry)
        yield "it takes part in the draws, and its receipt has left"
        self.expect(200, "POST", f"{link}/erasure")
        yield "it is erased"

    def place_entry(self) -> str | None:
        """Begin an entry and return its hold token, or None while the functions do not know the service yet."""
        application = {"preferences": [ANY], "conditions_accepted": True}
        status, answer = self.call("POST", f"/services/{self.service.id}/entries", application)
        return str(answer["hold"]) if status == HTTPStatus.CREATED else None

    def delete_applications(self) -> None:
        """Delete the entries with their people."""
        self.items.delete_entries()
