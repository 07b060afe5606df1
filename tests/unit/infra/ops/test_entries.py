"""The operator program and entries in the draws: what it does with a request, it does with an entry."""

import pytest

from chalicelib.booking import requests
from chalicelib.domain.entry import EntryState
from chalicelib.storage import items
from tests.conftest import fill
from tests.unit.allocation.entrants import NOW, entered, entry_of, put_service
from tests.unit.infra.ops.program import Ran, ops


@pytest.fixture
def request_of_awa(table: None) -> requests.Request:  # noqa: ARG001  # a fixture for its effect
    fill(put_service(), NOW)
    return entered()


def run(*words: str) -> Ran:
    return ops(*words, now=NOW)


def test_an_entry_is_found_and_shown_without_an_appointment(request_of_awa: requests.Request) -> None:
    reference = request_of_awa.reference
    assert "entry in the draws" in run("requests", "find", "--name", "awa").out
    shown = run("requests", "show", reference, "--json").json
    assert (shown["reference"], shown["state"], shown["date"], shown["desk"]) == (reference, "confirmed", None, None)


def test_the_copy_for_a_person_names_receipt_and_preferences(request_of_awa: requests.Request) -> None:
    copy = run("requests", "export", request_of_awa.reference, "--json").json
    assert (copy["state"], copy["receipt"]) == ("entered", entry_of(request_of_awa).receipt)


def test_an_entry_can_be_corrected(request_of_awa: requests.Request) -> None:
    ran = run("requests", "correct", request_of_awa.reference, "--last-name", "Exempel", "--yes")
    assert ran.code == 0, ran.err
    viewed = requests.view(request_of_awa.token, NOW).person
    assert viewed
    assert viewed.details.last_name == "Exempel"


def test_a_cancelled_entry_has_left(request_of_awa: requests.Request) -> None:
    ran = run("requests", "cancel", request_of_awa.reference, "--yes")
    assert ran.code == 0, ran.err
    assert requests.view(request_of_awa.token, NOW).shown_state is EntryState.LEFT


def test_an_erased_entry_leaves_nothing_about_its_person(request_of_awa: requests.Request) -> None:
    ran = run("requests", "erase", request_of_awa.reference, "--yes")
    assert ran.code == 0, ran.err
    assert list(items.PersonItem.scan(items.is_person_item())) == []
    assert entry_of(request_of_awa).person == ""


@pytest.mark.usefixtures("request_of_awa")
def test_a_service_with_an_entry_is_not_withdrawn() -> None:
    ran = run("services", "withdraw", "aes", "--yes")
    assert (ran.code, ran.err) == (1, "guichet: aes has 1 draw applicant (the last until Thursday 3 June 2027 11:00)\n")
