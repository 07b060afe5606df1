"""The list of a day, the search for an applicant and the figures of the evening."""

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any

import pytest

from chalicelib.booking import personal_data, requests
from chalicelib.desk import calls as desk_calls
from chalicelib.desk import day, register
from chalicelib.desk.day import Row
from chalicelib.domain.person import Details
from chalicelib.domain.refusals import NotFound, TooManyRequests
from chalicelib.domain.seat import SeatKey, State
from chalicelib.domain.service import Service
from chalicelib.storage import desk_store, dynamodb, person_store, seat_maintenance, seat_store
from tests.conftest import calls
from tests.unit.booking.steps import AWA, BEN, PARIS, START, confirmed, filed, somebody

pytestmark = pytest.mark.slow

TODAY, NOW, EARLY = START.date(), START + timedelta(minutes=5), START - timedelta(minutes=20)
AGNES, MINUTE = "a" * 16, timedelta(minutes=1)
TUESDAY = datetime(2026, 12, 15, 9, 15, tzinfo=PARIS)
ZOE = replace(AWA, first_name="Zoé", last_name="Échantillon-Modèle", email="zoe@example.org")


def names(rows: list[Row]) -> list[str]:
    return [row.person.details.first_name if row.person else "-" for row in rows]


def listed(service: Service, when: date = TODAY) -> list[Row]:
    return [row for row in day.read_day(service, when, NOW) if row.is_listed]


def test_the_list_has_all_seats_of_the_day_by_start_and_desk_with_who_has_them(service: Service) -> None:
    confirmed(BEN, START + timedelta(minutes=10))
    confirmed(AWA, START)
    confirmed(ZOE, TUESDAY)
    rows = day.read_day(service, TODAY, NOW)
    assert len(rows) == 30
    assert [row.seat.key for row in rows] == sorted(row.seat.key for row in rows)
    assert names([row for row in rows if row.is_listed]) == ["Awa", "Ben"]
    awa = next(row for row in rows if row.person)
    assert awa.number == f"1000{'AB'[awa.seat.key.unit - 1]}"
    assert SeatKey(TODAY, START.time(), 27, "aes").number == "1000-27"


def test_the_list_is_one_query_and_one_batch_for_100_people(service: Service) -> None:
    confirmed(AWA)
    with calls() as made:
        day.read_day(service, TODAY, NOW)
    assert made == ["Query", "BatchGetItem"]


def test_who_was_displaced_is_still_in_the_list_until_they_choose_another_seat(service: Service) -> None:
    seat = confirmed(AWA).seat
    seat_maintenance.displace(seat, "closing", NOW)
    (row,) = listed(service)
    assert (row.state, names([row])) == (State.DISPLACED, ["Awa"])


def test_who_has_filed_a_newer_request_keeps_a_name_in_the_past_list(service: Service) -> None:
    register.record(service, confirmed(AWA, TUESDAY).seat.key, State.MISSED, AGNES, TUESDAY)
    filed(AWA, START + timedelta(minutes=20), TUESDAY)
    tuesday, today = listed(service, TUESDAY.date()), listed(service)
    assert (names(tuesday), names(today)) == (["Awa"], ["Awa"])
    assert (tuesday[0].state, today[0].state) == (State.MISSED, State.PENDING)


def test_data_that_are_due_for_erasure_are_shown_to_nobody(service: Service) -> None:
    key = confirmed(AWA).seat.key
    due = service.erase_at(key)
    assert names([row for row in day.read_day(service, TODAY, due - MINUTE) if row.is_listed]) == ["Awa"]
    assert names([row for row in day.read_day(service, TODAY, due) if row.is_listed]) == ["-"]


def test_a_row_is_of_this_service_and_of_a_seat_that_somebody_has(service: Service) -> None:
    key = confirmed(AWA).seat.key
    assert names([day.read_row(service, key.ref, NOW)]) == ["Awa"]
    other = replace(key, unit=3 - key.unit)
    for ref in ("", "aes", key.ref + ".1", other.ref, replace(key, service="other").ref, replace(key, unit=9).ref):
        with pytest.raises(NotFound):
            day.read_row(service, ref, NOW)


# The search


@pytest.mark.parametrize(
    "words", ["zoe", "ZOÉ", "echantillon zoé", "échantillon-modele", "  Modèle ", "EchantillonModele zo"]
)
def test_a_name_is_found_whatever_case_accents_and_order(service: Service, words: str) -> None:
    confirmed(ZOE)
    confirmed(BEN)
    found = day.find(service, words, NOW)
    assert (names(found.rows), found.first, found.last) == (["Zoé"], TODAY, TODAY)


def test_other_days_are_searched_if_today_has_nobody_or_if_they_are_asked_for(service: Service) -> None:
    confirmed(AWA, TUESDAY)
    confirmed(replace(AWA, birth_date=date(1991, 1, 1), email="b@example.org"), START)
    confirmed(BEN, TUESDAY)
    assert len(day.find(service, "awa", NOW).rows) == 1
    found = day.find(service, "awa", NOW, everywhere=True)
    assert [row.seat.key.day for row in found.rows] == [TODAY, TUESDAY.date()]
    assert names(day.find(service, "ben", NOW).rows) == ["Ben"]
    assert (found.first, found.last) == (date(2026, 10, 19), date(2027, 2, 14))


def test_a_search_by_name_reads_so_many_people_and_says_which_days_it_covered(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    confirmed(AWA, TUESDAY)
    monkeypatch.setattr(day, "MOST_PEOPLE", 1)
    found = day.find(service, "nobody", NOW)
    assert (found.rows, found.first, found.last) == ([], date(2026, 12, 14), date(2026, 12, 20))


@pytest.mark.parametrize("words", ["Awa Exemple 17/05/1990", "17.5.1990 EXEMPLE awa", "exemple-awa 17 05 1990"])
def test_a_name_and_a_date_of_birth_need_no_list(service: Service, words: str) -> None:
    confirmed(AWA, TUESDAY)
    with calls() as made:
        found = day.find(service, words, NOW)
    assert (names(found.rows), found.first) == (["Awa"], TUESDAY.date())
    assert made == ["GetItem", "GetItem", "BatchGetItem"]


def test_half_a_name_and_a_date_of_birth_tell_people_apart(service: Service) -> None:
    confirmed(AWA)
    confirmed(replace(BEN, first_name="Awa"))
    assert [row.person and row.person.details for row in day.find(service, "awa 02/01/1985", NOW).rows] == [
        replace(BEN, first_name="Awa")
    ]
    assert day.find(service, "awa 03/01/1985", NOW).rows == []
    assert len(day.find(service, "awa 31/02/1985", NOW).rows) == 2  # no date


def test_a_reference_is_found_in_any_spelling_on_any_day(service: Service) -> None:
    reference = confirmed(AWA, TUESDAY).reference
    confirmed(BEN)
    code = reference.removeprefix("AES-")
    for words in (reference, f" {reference.lower()} ", reference.replace("-", ""), reference.replace("-", " ")):
        assert names(day.find(service, words, NOW).rows) == ["Awa"]
    if not code.replace("-", "").isalpha():
        assert names(day.find(service, code, NOW).rows) == ["Awa"]


@pytest.mark.parametrize(
    "words",
    [
        "",
        "   ",
        "https://example.org/?q=1",
        "NATURALISATION-7K3M9-QXPT2",
        "AES-00000-00000",
        "=1+1",
        "<b>x</b>",
    ],
)
def test_what_is_nothing_finds_nobody(service: Service, words: str) -> None:
    confirmed(AWA)
    assert day.find(service, words, NOW).rows == []


def test_a_corrected_name_is_found_under_both(service: Service) -> None:
    made = confirmed(AWA)
    personal_data.correct(requests.view(made.token, EARLY), "Awa", "Exempel", AWA.phone, now=EARLY)
    assert names(day.find(service, "exempel", NOW).rows) == names(day.find(service, "exemple", NOW).rows) == ["Awa"]


def test_a_search_shows_so_many_people_the_nearest_first(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, start in enumerate((TUESDAY, TUESDAY + timedelta(minutes=5), START)):
        confirmed(somebody(number), start)
    monkeypatch.setattr(day, "MOST_FOUND", 2)
    found = day.find(service, "exemple", NOW, everywhere=True)
    assert [row.seat.key.day for row in found.rows] == [TODAY, TUESDAY.date()]


def test_a_search_leaves_the_seats_it_showed_in_the_audit_and_not_the_words(service: Service) -> None:
    key = confirmed(AWA).seat.key
    found = day.find(service, "awa", NOW)
    day.note_search(service, found, AGNES, NOW)
    day.note_search(service, found, AGNES, NOW + MINUTE)
    (item,) = desk_store.read_audit("aes", TODAY)
    assert item.facts == {"seats": key.ref}
    assert "awa" not in f"{item.sk} {item.act}".lower()


# The evening


def test_the_figures_of_a_day(service: Service) -> None:
    keys = [confirmed(somebody(number), START + timedelta(minutes=5 * (number // 2))).seat.key for number in range(7)]
    filed(BEN, START + timedelta(minutes=20))
    seat_maintenance.close(SeatKey(TODAY, time(9, 15), 1, "aes"), "office", EARLY)
    for key in (keys[0], keys[6]):
        register.arrive(service, key, AGNES, EARLY)
    desk_calls.call(service, keys[6], 1, AGNES, EARLY)
    late = START + timedelta(hours=1)
    for key, outcome in zip(keys[1:5], (State.SEEN, State.SEEN, State.MISSED, State.INCOMPLETE), strict=True):
        register.record(service, key, outcome, AGNES, late)
    totals = day.totals(day.read_day(service, TODAY, late))
    assert totals == day.Totals(planned=29, booked=7, arrived=1, called=1, seen=2, missed=1, incomplete=1, open_=3)


def test_the_file_for_a_spreadsheet_has_no_formula_and_no_birth_date(service: Service) -> None:
    seat = confirmed(AWA).seat
    details = Details("=1+1", "+33", "", date(1990, 5, 17), "a@example.org", "06", "fr")
    (row,) = listed(service)
    assert row.person
    text = day.csv_text(
        [replace(row, person=replace(row.person, details=details)), Row(seat_store.read(seat.key), None)]
    )
    lines = text.removeprefix("\ufeff").splitlines()
    assert lines[0] == "Heure;Numéro;Guichet;Nom;Prénom;Référence;État"
    assert lines[1] == f"10:00;{row.number};{seat.key.unit};'+33;'=1+1;{row.person.reference};attendu"
    assert len(lines) == 3


# Reading many items


@pytest.mark.parametrize("left_out", [1, 3])
def test_what_a_batch_leaves_out_is_asked_for_again_unless_it_is_everything(service: Service, left_out: int) -> None:
    wanted = [(request.seat.person, request.seat.hold) for request in (confirmed(somebody(n), None) for n in range(3))]
    client = dynamodb.connection().connection.client
    answers: list[object] = []

    def leave_out(parsed: dict[str, Any], **_: object) -> None:
        answers.append(parsed)
        ((table, rows),) = parsed["Responses"].items()
        if len(answers) == 1:
            keys = [{name: row[name] for name in ("pk", "sk")} for row in rows[:left_out]]
            del rows[:left_out]
            parsed["UnprocessedKeys"] = {table: {"Keys": keys}}

    client.meta.events.register("after-call.dynamodb.BatchGetItem", leave_out)
    try:
        if left_out == len(wanted):
            with pytest.raises(TooManyRequests):
                person_store.read_many(service.id, wanted)
        else:
            assert len(person_store.read_many(service.id, wanted)) == 3
    finally:
        client.meta.events.unregister("after-call.dynamodb.BatchGetItem", leave_out)
