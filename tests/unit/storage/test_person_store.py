from datetime import date, timedelta

import pytest

from chalicelib.domain.person import Details, Person
from chalicelib.storage import items, lock_store, person_store, request_store
from tests.unit.storage.seats import KEY, LATER, NOW, TICK, held

AWA = Details("Awa", "Exemple", "", date(1990, 5, 17), "awa@example.org", "06 12 34 56 78", "fr")

pytestmark = pytest.mark.usefixtures("table")


def person(hold: str = "h1", key: str = "p1") -> Person:
    return Person(key, "aes", KEY, hold, AWA, "AES-22222-22222", NOW)


def file() -> None:
    """File the request of `person()` on KEY, with its locks."""
    held(captcha_passed=True)
    assert request_store.file(
        person(), "a1", LATER, now=NOW, erase_at=LATER, is_live=lock_store.LockRule(lambda *_: True, LATER)
    )


def test_a_letter_is_marked_as_sent_only_on_its_own_request() -> None:
    file()
    assert person_store.mark_sent(person(), "confirm")
    assert not person_store.mark_sent(person("h2"), "convocation")
    stored = person_store.read("p1", "aes")
    assert stored is not None
    assert stored.sent == {"confirm"}


def test_marks_that_were_stored_in_another_order_do_not_make_the_mailer_try_for_ever() -> None:
    file()
    items.person_item("p1", "aes").update([items.PersonItem.sent.set("link:2 confirm")])
    stored = person_store.read("p1", "aes")
    assert stored is not None
    assert not person_store.mark_sent(stored, "convocation")


def test_marking_a_letter_does_not_create_a_person_item() -> None:
    assert not person_store.mark_sent(person(), "confirm")
    assert person_store.read("p1", "aes") is None


@pytest.mark.parametrize(
    ("reference", "after", "noted"),
    [
        ("AES-22222-22222", timedelta(minutes=2) + TICK, True),
        ("AES-22222-22222", timedelta(minutes=2), False),
        ("AES-33333-33333", timedelta(minutes=3), False),
    ],
)
def test_a_link_is_sent_for_the_right_reference_after_a_pause(reference: str, after: timedelta, *, noted: bool) -> None:
    file()
    pause = timedelta(minutes=2)
    assert person_store.ask_link("a1", "aes", "AES-22222-22222", NOW, pause=pause)
    assert person_store.ask_link("a1", "aes", reference, NOW + after, pause=pause) is noted


def test_asking_for_the_link_of_an_unknown_e_mail_address_stores_nothing() -> None:
    assert not person_store.ask_link("a1", "aes", "AES-22222-22222", NOW, pause=timedelta(0))
    assert list(items.LockItem.query("EMAIL#a1")) == []
