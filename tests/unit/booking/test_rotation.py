"""A rotation of the stage's secret while people book: nothing in progress ends, and nobody books twice."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from pynamodb.transactions import TransactWrite

from chalicelib import settings
from chalicelib.allocation import entries, office
from chalicelib.allocation.office import PaperForm
from chalicelib.booking import captcha, filing, holds, moves, personal_data, requests, schedule
from chalicelib.booking.holds import Wish
from chalicelib.booking.locks import lock_rule
from chalicelib.booking.requests import Request
from chalicelib.domain import refusals
from chalicelib.domain.entry import EntryState
from chalicelib.domain.person import Details, Person
from chalicelib.domain.seat import Key, State
from chalicelib.domain.stage_secret import StageSecret
from chalicelib.keys import keys
from chalicelib.mail import bounces
from chalicelib.storage import items, lock_store, person_store, request_store, seat_store, service_store
from tests.conftest import calls, document
from tests.unit.allocation import drawing, entrants
from tests.unit.booking.steps import AWA, BEN, NOW, START, captcha_passed, confirmed, filed, hold, send_details
from tests.unit.mail.postman import bounce

pytestmark = pytest.mark.slow

TODAY = date(2026, 12, 1)
BEFORE = StageSecret("0123456789012345678901234567890123456789012345")
KNOWN = BEFORE.rotated("n" * 52, TODAY, leaked=False)
"""After the first deployment of a rotation: the new secret is known, and the old one in use."""
ROTATED = KNOWN.promoted(TODAY)
"""After the second one."""
LEAKED = BEFORE.rotated("n" * 52, TODAY, leaked=True)
CHANGES = [(BEFORE, KNOWN), (KNOWN, ROTATED), (ROTATED, KNOWN)]
"""The changes of the secret while people book. The last one is a rollback."""
NAMES = ["first deployment", "second deployment", "rollback"]
LATER = START + timedelta(minutes=5)
MINUTE = timedelta(minutes=1)
Use = Callable[[StageSecret], None]

changes = pytest.mark.parametrize(("old", "new"), CHANGES, ids=NAMES)


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Iterator[Use]:
    """Give the functions another secret, as a deployment does."""

    def give(secret: StageSecret) -> None:
        monkeypatch.setenv("GUICHET_SECRET", str(secret))
        settings.current.cache_clear()

    yield give
    settings.current.cache_clear()


def locks() -> set[str]:
    """Return the partitions of the items of people."""
    people = items.LockItem.pk.startswith("PERSON#") | items.LockItem.pk.startswith("EMAIL#")
    return {row.pk for row in items.LockItem.scan(people)}


@changes
@pytest.mark.usefixtures("service")
def test_a_hold_goes_on_with_its_challenge_its_cookies_and_its_form(
    old: StageSecret, new: StageSecret, use: Use
) -> None:
    use(old)
    visitor, placed = keys().visitor_token(NOW), hold()
    challenge = captcha.new_challenge(placed.id, NOW)
    asked = keys().link_asked("AES-22222-22222", AWA.email, NOW)
    use(new)
    assert keys().visitor_token_age(visitor, NOW + MINUTE) == MINUTE
    assert keys().link_asked_at(asked, "AES-22222-22222", AWA.email) is not None
    assert captcha.challenge_with_id(challenge.id, placed.digest) == challenge
    with pytest.raises(refusals.CaptchaWrong):
        captcha.answer(placed.id, challenge.id, keys().picture_answer(challenge.id + " "), now=NOW)
    assert captcha.answer(placed.id, challenge.id, challenge.picture, now=NOW).captcha_passed
    request = send_details(placed.id)
    use(old)
    assert send_details(placed.id).reference == request.reference  # the form again, to the other version
    assert requests.confirm(request.token, NOW).state is State.CONFIRMED


@changes
@pytest.mark.parametrize("details", [replace(AWA, email="other@example.org"), replace(BEN, email=AWA.email)])
@pytest.mark.usefixtures("service")
def test_a_lock_of_the_other_secret_keeps_a_second_request_out(
    old: StageSecret, new: StageSecret, details: Details, use: Use
) -> None:
    use(old)
    request = filed()
    use(new)
    hold_id = captcha_passed(LATER).id
    before = locks()
    with pytest.raises(refusals.AlreadyRequested):
        send_details(hold_id, details)
    assert locks() == before
    assert seat_store.read(request.seat.key).state is State.PENDING
    row = items.person_item(request.seat.person, "aes")
    row.refresh()
    assert row.attempt_at == NOW  # its applicant is told
    requests.cancel(request.token, NOW)
    assert send_details(hold_id, details).state is State.PENDING


@pytest.mark.usefixtures("service")
def test_a_request_that_is_filed_while_the_lock_of_an_ended_one_is_checked_keeps_this_one_out(use: Use) -> None:
    use(KNOWN)
    ended, late = filed(), captcha_passed(LATER)
    old_key = person_of(ended).key
    requests.cancel(ended.token, NOW)
    use(ROTATED)
    held = captcha_passed(None)

    def is_live(key: Key, hold: str, person: str) -> bool:
        live = lock_rule(held.service, NOW).counts(key, hold, person)
        if hold == ended.seat.hold:
            use(KNOWN)
            send_details(late.id)
        return live

    own = replace(person_of(ended), key=keys().person_key("Awa", "Exemple", AWA.birth_date), seat=held.key)
    with pytest.raises(refusals.AlreadyRequested):
        request_store.file(
            replace(own, hold=held.seat.hold),
            keys().email_key(AWA.email),
            NOW + timedelta(days=1),
            now=NOW,
            erase_at=NOW + timedelta(days=1),
            is_live=lock_store.LockRule(is_live, NOW),
            other_keys=lock_store.OtherKeys([old_key]),
        )
    assert not seat_store.read(held.key).person


def person_of(request: Request) -> Person:
    key = request.carrier.person or seat_store.read(request.seat.key).person
    stored = person_store.read(key, "aes")
    assert stored
    return stored


@changes
@pytest.mark.usefixtures("service")
def test_a_request_of_the_other_secret_is_shown_moved_corrected_and_erased(
    old: StageSecret, new: StageSecret, use: Use
) -> None:
    use(old)
    request = confirmed()
    use(new)
    again = requests.view(request.token, NOW)
    assert (again.reference, again.person) == (request.reference, request.person)
    to = moves.choices(request.token, NOW)[1][0]
    moved = moves.move(again, to, now=NOW)
    assert moved.start == to
    assert requests.view(request.token, NOW).reference == request.reference  # of the seat that it left
    renamed = personal_data.correct(moved, "Awa", "Exemples", AWA.phone, now=NOW)
    assert renamed.reference == request.reference
    assert len(locks()) == 3
    with pytest.raises(refusals.AlreadyRequested):
        filed(replace(AWA, last_name="Exemples", email="other@example.org"), None)
    personal_data.erase(moved.token, NOW)
    assert locks() == set()


@changes
@pytest.mark.usefixtures("service")
def test_the_e_mail_address_of_a_request_is_corrected_and_its_old_lock_freed(
    old: StageSecret, new: StageSecret, use: Use
) -> None:
    use(old)
    hold_id = captcha_passed().id
    request = send_details(hold_id)
    filed(BEN, LATER)
    use(new)
    with pytest.raises(refusals.AlreadyRequested):
        filing.change_email(hold_id, BEN.email, now=NOW)
    changed = filing.change_email(hold_id, "right@example.org", now=NOW)
    assert changed.reference == request.reference
    with pytest.raises(refusals.LinkExpired):
        requests.view(request.token, NOW)
    with pytest.raises(refusals.AlreadyRequested):
        filed(replace(AWA, last_name="Autre", email="right@example.org"), LATER + timedelta(minutes=5))
    assert filed(replace(AWA, last_name="Autre"), LATER + timedelta(minutes=5)).state is State.PENDING


@changes
@pytest.mark.usefixtures("service")
def test_a_correction_may_not_take_what_the_other_secret_locked(old: StageSecret, new: StageSecret, use: Use) -> None:
    use(old)
    request = filed(replace(AWA, last_name="Exemples", email="s@example.org"))
    use(new)
    mine, address = captcha_passed(LATER).id, "mine@example.org"
    own = send_details(mine, replace(AWA, email=address))
    with pytest.raises(refusals.AlreadyRequested):
        personal_data.correct(own, "Awa", "Exemples", AWA.phone, now=NOW)
    with pytest.raises(refusals.AlreadyRequested):
        filing.change_email(mine, "s@example.org", now=NOW)
    assert requests.view(request.token, NOW).state is State.PENDING


@changes
@pytest.mark.usefixtures("service")
def test_a_link_is_asked_for_and_a_bounce_is_heard_under_the_other_secret(
    old: StageSecret, new: StageSecret, use: Use
) -> None:
    use(old)
    request = filed()
    use(new)
    with calls(operation="UpdateItem") as known:
        requests.ask_link(request.reference, AWA.email, NOW)
    with calls(operation="UpdateItem") as unknown:
        requests.ask_link(request.reference, "nobody@example.org", NOW)
    assert len(known) == len(unknown) == 4
    asked = items.LockItem.scan(items.LockItem.pk.startswith("EMAIL#") & items.LockItem.asked_at.exists())
    assert [row.reference for row in asked] == [request.reference]
    bounces.handle(bounce(), NOW)
    assert person_of(request).stopped == bounces.BOUNCED


@pytest.mark.usefixtures("service")
def test_only_a_stage_with_another_secret_checks_two_more_items_in_the_transaction(
    use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []
    check = TransactWrite.condition_check

    def note(writes: TransactWrite, model: Any, pk: str, sk: str, condition: Any) -> None:
        checked.append(pk.partition("#")[0])
        check(writes, model, pk, sk, condition=condition)

    monkeypatch.setattr(TransactWrite, "condition_check", note)
    for secret, expected in ((BEFORE, []), (KNOWN, ["PERSON", "EMAIL"]), (LEAKED, ["PERSON", "EMAIL"])):
        checked.clear()
        use(secret)
        hold_id = captcha_passed(None).id
        with calls(operation="TransactWriteItems") as transactions:
            request = send_details(hold_id)
        assert (len(transactions), checked) == (1, expected)
        personal_data.erase(request.token, NOW)


@pytest.mark.usefixtures("service")
def test_after_a_leak_only_the_locks_of_the_old_secret_count(use: Use) -> None:
    use(BEFORE)
    request, placed, old = filed(), hold(), keys()
    visitor = old.visitor_token(NOW)
    use(LEAKED)
    for link in (request.token, str(old.link_token(request.seat.key, request.seat.hold))):
        with pytest.raises(refusals.NotFound):
            requests.view(link, NOW)
    with pytest.raises(refusals.NotFound):
        holds.view(placed.id, NOW)
    assert keys().visitor_token_age(visitor, NOW) is None
    assert not keys().is_cdn(old.cdn_secret)
    with pytest.raises(refusals.AlreadyRequested):
        filed(replace(AWA, email="other@example.org"), LATER)
    letter = str(keys().link_token(request.seat.key, request.seat.hold))
    assert requests.view(letter, NOW).reference == request.reference
    assert requests.cancel(letter, NOW).reference == request.reference
    assert requests.view(letter, NOW).reference == request.reference
    personal_data.erase(letter, NOW)
    assert locks() == set()


def test_a_service_with_draws_keeps_its_entries_through_a_rotation_in_the_middle_of_a_window(
    table: None,  # noqa: ARG001  # a fixture for its effect
    use: Use,
) -> None:
    use(BEFORE)
    drawing.put()
    drawing.at(entrants.OPENS)
    started = entrants.place()
    entry = entrants.entered(AWA)
    use(ROTATED)
    with pytest.raises(refusals.AlreadyRequested):
        entrants.entered(replace(AWA, email="other@example.org"))
    with pytest.raises(refusals.AlreadyRequested):
        entrants.entered(replace(BEN, email=AWA.email))
    with pytest.raises(refusals.AlreadyRequested):
        office.enter("aes", PaperForm(replace(AWA, email=""), ("any",)), secret="p" * 52, now=entrants.NOW)
    ready = entrants.solve(started.id)
    second = requests.confirm(filing.file(ready, BEN, now=entrants.NOW).token, entrants.NOW)
    entries.change_preferences(entry.token, ["tue-am"], entrants.NOW)
    drawing.at(drawing.FROZEN_AT)
    drawing.at(drawing.DRAWN_AT)
    for made in (entry, second):
        seated = requests.view(made.token, drawing.DRAWN_AT)
        assert (seated.shown_state, seated.reference) == (EntryState.DRAWN, made.reference)
    personal_data.erase(entry.token, drawing.DRAWN_AT)
    assert len(locks()) == 2  # those of the other one


@pytest.mark.parametrize("details", [AWA, replace(BEN, email=AWA.email)], ids=["the same person", "the same address"])
def test_a_request_replaces_an_entry_of_the_other_secret_once_there_are_no_draws(
    table: None,  # noqa: ARG001  # a fixture for its effect
    details: Details,
    use: Use,
) -> None:
    use(BEFORE)
    drawing.put()
    drawing.at(entrants.OPENS)
    entry = entrants.entered(AWA)
    use(ROTATED)
    service_store.put(document(plannings=drawing.TINY))
    service_store.clear_caches()
    schedule.release_seats(entrants.NOW)
    placed = holds.place("aes", Wish(None, conditions_accepted=True), now=entrants.NOW)
    request = filing.file(entrants.solve(placed.id), details, now=entrants.NOW)
    assert requests.confirm(request.token, entrants.NOW).state is State.CONFIRMED
    assert requests.view(entry.token, entrants.NOW).shown_state is EntryState.LEFT
    replaced = items.person_item(entrants.entry_of(entry).person, "aes")
    replaced.refresh()
    assert replaced.erase_at == int((entrants.NOW + timedelta(days=30)).timestamp())
