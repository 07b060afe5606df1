"""Requests and the desk's list by the operator program."""

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.booking import personal_data, requests
from chalicelib.domain.seat import State
from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.storage import items, lock_store, person_store, request_store, seat_keys, seat_store, service_store
from chalicelib.storage.items import PersonItem
from tests.unit.infra.ops.bookings import ERASED, NOW, TUESDAY, book, close, key
from tests.unit.infra.ops.program import audit_items, become, ops, table_without_audit, whole_table

FIRST = "AES-00001-AAAAA"
DAY = ("day", "aes", "2026-12-08")


@pytest.fixture
def two(service: Service) -> Service:
    """Awa Exemple, and Zoé Dupont-Durand whose request waits for its confirmation."""
    book(key(start="09:15"), 1)
    book(key(start="09:20", unit=2), 2, confirmed=False)
    become(2, first_name="Zoé", last_name="Dupont-Durand", birth_name="Été")
    return service


def references_of(*words: str) -> list[str]:
    """The references that a search finds."""
    ran = ops("requests", "find", *words, "--json")
    references = [request["reference"] for request in ran.json["requests"]]
    assert ran.code == (0 if references else 1)
    return references


def states(name: str) -> dict[str, str]:
    """How far the requests of the people of this name are."""
    return {
        request["reference"]: request["state"]
        for request in ops("requests", "find", "--name", name, "--json").json["requests"]
    }


# Find


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize(
    ("options", "references"),
    [
        (("--name", "awa"), ["AES-00001-AAAAA"]),
        (("--name", "exemple AWA"), ["AES-00001-AAAAA"]),
        (("--name", "dup zoe"), ["AES-00002-AAAAA"]),
        (("--name", "ÉTÉ"), ["AES-00002-AAAAA"]),
        (("--name", "2"), []),
        (("--name", "wa"), []),
        (("--name", "awa dupont"), []),
        (("--reference", " aes-00002-aaaaa "), ["AES-00002-AAAAA"]),
        (("--reference", "AES-00002"), []),
        (("--email", "AWA2@example.org"), ["AES-00002-AAAAA"]),
        (("--email", "awa@example.org"), []),
        (("--name", "zoe", "--email", "awa1@example.org"), []),
    ],
)
def test_a_request_is_found_by_the_beginnings_of_names_the_reference_or_the_email_address(
    options: tuple[str, ...], references: list[str]
) -> None:
    assert references_of(*options) == references


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize(
    "words",
    [
        ("--name", "MUELLER"),
        ("--name", "Muller Jose"),
        ("--name", "mu eller"),
        ("--name", "Joseexemple"),
        ("--email", "a.wa@EXÄMPLE.org"),
        ("--email", "a.wa@xn--exmple-cua.org"),
    ],
)
def test_a_request_is_found_by_any_spelling_of_the_same_name_or_mailbox(words: tuple[str, ...]) -> None:
    become(2, first_name="José-Exemple", last_name="Müller", email="a.wa@xn--exmple-cua.org")
    assert references_of(*words) == ["AES-00002-AAAAA"]


@pytest.mark.usefixtures("two")
def test_a_found_request_is_one_line_and_no_match_is_exit_code_1() -> None:
    ran = ops("requests", "find", "--email", "awa1@example.org")
    assert (ran.code, ran.err) == (0, "")
    assert " ".join(ran.out.splitlines()[-2].split()) == (
        "AES-00001-AAAAA Exemple Awa 17/05/1990 Tuesday 8 December 2026 09:15 confirmed"
    )
    nobody = ops("requests", "find", "--name", "nobody")
    assert (nobody.code, nobody.out) == (1, "No request was found.\n")


@pytest.mark.usefixtures("two")
def test_a_request_is_found_with_its_end_and_after_its_seat_went_to_somebody_else() -> None:
    seat = seat_store.read(key(start="09:15"))
    assert seat_store.end_request(seat, State.CANCELLED, NOW, NOW)
    assert ops("requests", "show", FIRST, "--json").json["state"] == "cancelled"
    assert seat_store.take(seat.key, "another", NOW + timedelta(minutes=3), NOW)
    assert ops("requests", "show", FIRST, "--json").json["state"] == "ended"
    again = ops("requests", "cancel", FIRST, "--yes")
    assert (again.code, again.err) == (1, f"guichet: {FIRST} is ended already\n")
    items.person_item("person1", "aes").delete()
    ran = ops("requests", "show", FIRST)
    assert ran.code == 1
    assert ran.err == f"guichet: there is no request {FIRST} on test, or its data is erased\n"


@pytest.mark.usefixtures("two")
def test_a_request_is_not_confused_with_the_later_ones_of_its_seat() -> None:
    seat = seat_store.read(key(start="09:15"))
    assert seat_store.end_request(seat, State.CANCELLED, NOW, NOW)
    book(seat.key, 3)
    assert states("awa") == {FIRST: "ended", "AES-00003-AAAAA": "confirmed"}
    assert seat_store.end_request(seat_store.read(seat.key), State.CANCELLED, NOW, NOW)
    assert states("awa") == {FIRST: "ended", "AES-00003-AAAAA": "cancelled"}


@pytest.mark.usefixtures("two")
def test_the_day_list_names_nobody_whose_details_belong_to_another_request() -> None:
    items.person_item("person1", "aes").update([PersonItem.hold.set("another")])
    assert [line["name"] for line in ops(*DAY, "--json").json["seats"]] == [None, "Dupont-Durand Zoé"]


@pytest.mark.usefixtures("two")
def test_a_person_without_a_seat_item_is_found_as_long_as_their_details_are_kept() -> None:
    seat_keys.seat_item(key(start="09:15")).delete()
    assert states("awa") == {FIRST: "ended"}


@pytest.mark.usefixtures("two")
def test_nobody_is_shown_after_their_erasure_date_even_before_dynamodb_deletes_the_item() -> None:
    assert ops("requests", "find", "--name", "awa", now=ERASED - timedelta(seconds=1)).code == 0
    assert ops("requests", "find", "--name", "awa", now=ERASED).out == "No request was found.\n"
    day_after = datetime(2027, 1, 7, 8, 30, tzinfo=UTC)  # 30 days after 09:15 and 09:20 in Paris
    assert ops(*DAY, "--json", now=day_after - timedelta(minutes=16)).json["seats"] != []
    assert ops(*DAY, "--json", now=day_after).json["seats"] == []


# Show


@pytest.mark.usefixtures("two")
def test_a_request_is_shown_with_all_its_data() -> None:
    shown = ops("requests", "show", "aes-00002-aaaaa", "--json").json
    assert shown == {
        "reference": "AES-00002-AAAAA",
        "service": "aes",
        "state": "pending",
        "date": "2026-12-08",
        "start": "09:20",
        "desk": 2,
        "first_name": "Zoé",
        "last_name": "Dupont-Durand",
        "birth_name": "Été",
        "filed_as": None,
        "birth_date": "1990-05-17",
        "email": "awa2@example.org",
        "phone": "06 12 34 56 78",
        "language": "fr",
        "filed_at": "2026-11-30T08:00:01.000Z",
        "confirm_before": "2026-12-02T08:00:01.000Z",
        "choose_before": None,
        "letters": [],
    }
    lines = [" ".join(line.split()) for line in ops("requests", "show", "AES-00002-AAAAA").out.splitlines()]
    assert "date Tuesday 8 December 2026" in lines
    assert "start 09:20" in lines
    assert "confirm before Wednesday 2 December 2026 09:00" in lines


@pytest.mark.usefixtures("two")
def test_a_corrected_name_is_shown_with_the_one_before() -> None:
    person = person_store.read("person1", "aes")
    assert person is not None
    details = replace(person.details, last_name="Exemplo")
    assert request_store.correct(
        person,
        details,
        "person1b",
        now=NOW,
        erase_at=NOW,
        send=False,
        is_live=lock_store.LockRule(lambda *_: True, NOW),
    )
    assert ops("requests", "show", FIRST, "--json").json["filed_as"] == "Exemple Awa"
    assert "Exemplo Awa (filed as Exemple Awa)" in ops(*DAY).out


@pytest.mark.usefixtures("two")
def test_a_displaced_applicant_is_shown_with_the_time_to_choose() -> None:
    close(TUESDAY)
    shown = ops("requests", "show", FIRST, "--json").json
    assert (shown["state"], shown["choose_before"]) == ("displaced", "2026-12-07T08:00:01.000Z")


# Cancel


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize("reference", [FIRST, "AES-00002-AAAAA"])
def test_a_cancelled_request_frees_its_seat_at_a_secret_moment(reference: str) -> None:
    ran = ops("requests", "cancel", reference, "--yes", "--json")
    assert (ran.code, ran.json["cancelled"]) == (0, True)
    seat = seat_store.read(key(start="09:15") if reference == FIRST else key(start="09:20", unit=2))
    assert (seat.state, seat.past_state, seat.freed) == (State.OPEN, State.WITHDRAWN, 1)
    assert NOW + timedelta(hours=2) <= seat.opens_at <= NOW + timedelta(hours=48)
    assert set(ran.json) == {"reference", "was", "cancelled"}
    again = ops("requests", "cancel", reference, "--yes")
    assert (again.code, again.err) == (1, f"guichet: {reference} is withdrawn already\n")


@pytest.mark.usefixtures("two")
def test_the_owner_sees_that_the_request_was_withdrawn() -> None:
    assert "The applicant gets a letter." in ops("requests", "cancel", FIRST, "--yes").out
    token = str(keys().link_token(key(start="09:15"), "hold1"))
    assert requests.view(token, NOW).state is State.WITHDRAWN


@pytest.mark.usefixtures("two")
def test_a_request_that_changed_meanwhile_is_refused_and_audited_as_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seat_store, "end_request", lambda *_, **__: False)
    ran = ops("requests", "cancel", FIRST, "--yes")
    assert (ran.code, ran.err) == (
        1,
        f"guichet: {FIRST} changed at the same moment: show it, and run this again if it is still right\n",
    )
    assert [item["outcome"] for item in audit_items()] == ["refused"]


@pytest.mark.usefixtures("service")
def test_an_unknown_request_cannot_be_cancelled_and_is_not_audited() -> None:
    before = whole_table()
    assert ops("requests", "cancel", FIRST, "--yes").code == 1
    assert whole_table() == before


# The desk's list


@pytest.mark.usefixtures("two")
def test_the_day_list_is_in_the_order_of_time_and_desk() -> None:
    book(key(start="09:20", unit=1), 3)
    lines = ops(*DAY, "--json").json["seats"]
    assert [(line["time"], line["desk"], line["name"], line["state"]) for line in lines] == [
        ("09:15", 1, "Exemple Awa", "confirmed"),
        ("09:20", 1, "Exemple Awa", "confirmed"),
        ("09:20", 2, "Dupont-Durand Zoé", "pending"),
    ]
    assert lines[0] == {
        "time": "09:15",
        "desk": 1,
        "name": "Exemple Awa",
        "filed_as": None,
        "born": "1990-05-17",
        "reference": FIRST,
        "phone": "06 12 34 56 78",
        "state": "confirmed",
    }


@pytest.mark.usefixtures("two")
def test_the_printed_day_list_is_plain_text_with_the_day_and_the_number_of_appointments() -> None:
    ran = ops(*DAY)
    lines = ran.out.splitlines()
    assert lines[0] == "Exceptional admission - Tuesday 8 December 2026 - 2 appointments"
    assert lines[4] == "|09:15 | 1    | Exemple Awa       | 17/05/1990 | AES-00001-AAAAA | 06 12 34 56 78 | confirmed|"
    assert "\x1b" not in ran.out
    assert max(map(len, lines)) <= 120


@pytest.mark.usefixtures("service")
def test_the_list_of_an_empty_day_says_0_appointments() -> None:
    ran = ops("day", "aes", "2026-12-09")
    assert (ran.code, ran.out.count("\n")) == (0, 1)
    assert ran.out.endswith("Wednesday 9 December 2026 - 0 appointments\n")


@pytest.mark.usefixtures("two")
def test_the_day_list_has_a_seat_given_back_too_late_but_not_one_that_returns() -> None:
    late, early = seat_store.read(key(start="09:15")), seat_store.read(key(start="09:20", unit=2))
    start = service_store.read("aes", NOW).start_of(late.key)
    assert seat_store.end_request(late, State.WITHDRAWN, start, NOW)
    assert seat_store.end_request(early, State.WITHDRAWN, NOW + timedelta(hours=3), NOW)
    (line,) = ops(*DAY, "--json").json["seats"]
    assert (line["time"], line["name"], line["state"]) == ("09:15", None, "given back too late")


@pytest.mark.usefixtures("two")
def test_the_day_list_has_displaced_applicants_also_after_their_data_is_erased() -> None:
    close(TUESDAY)
    lines = ops(*DAY, "--json").json["seats"]
    assert [(line["name"], line["state"]) for line in lines] == [
        ("Exemple Awa", "displaced"),
        ("Dupont-Durand Zoé", "displaced"),
    ]
    items.person_item("person1", "aes").delete()
    assert [line["name"] for line in ops(*DAY, "--json").json["seats"]] == [None, "Dupont-Durand Zoé"]


@pytest.mark.usefixtures("two")
def test_a_csv_file_has_no_formula_and_keeps_its_accents() -> None:
    become(1, first_name='"a";b\r\n', last_name="=HYPERLINK(1)", phone="+33 6 12 34 56 78")
    ran = ops(*DAY, "--csv")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("\ufefftime;desk;name;born;reference;phone;state\n")
    lines = list(csv.reader(io.StringIO(ran.out.removeprefix("\ufeff"), newline=""), delimiter=";"))
    assert [line[2] for line in lines[1:]] == ['\'=HYPERLINK(1) "a";b  ', "Dupont-Durand Zoé"]
    assert lines[1][5] == "'+33 6 12 34 56 78"


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize(
    "command", [DAY, (*DAY, "--csv"), ("requests", "find", "--reference", FIRST), ("requests", "show", FIRST)]
)
def test_a_name_cannot_control_the_terminal_or_turn_the_direction_of_its_line(command: tuple[str, ...]) -> None:
    become(1, first_name="\x1b]0;A\x07wa\x9b31m", last_name="\u202eelpmexE\u2066[red]X[/red]\u200f", phone="06\n12")
    out = ops(*command).out
    assert {"\x1b", "\x07", "\x9b", "\u202e", "\u2066", "\u200f"} & set(out) == set()
    assert "elpmexE[red]X[/red]" in out
    exact = ops("requests", "show", FIRST, "--json")
    assert exact.json["last_name"] == "\u202eelpmexE\u2066[red]X[/red]\u200f"
    assert {"\x1b", "\x9b", "\u202e"} & set(exact.out) == set()


# The rights of a person


def left_of(number: int) -> list[str]:
    """Which items of the table still name the person that `book` made, or their address, hold or request."""
    words = (f"person{number}", f"hold{number}", f"awa{number}@", f"AES-0000{number}")
    own = [item for item in table_without_audit() if any(word in str(item) for word in words)]
    return sorted(item["pk"].partition("#")[0] for item in own)


@pytest.mark.usefixtures("two")
def test_an_export_is_the_document_that_the_applicant_downloads_also_after_the_request_ended() -> None:
    token = str(keys().link_token(key(start="09:15"), "hold1"))
    exported = ops("requests", "export", FIRST).json
    assert exported == personal_data.data(token, NOW)
    assert exported["details"]["email"] == "awa1@example.org"
    assert exported["erased_after"] == "2027-01-07"
    assert seat_store.end_request(seat_store.read(key(start="09:15")), State.CANCELLED, NOW, NOW)
    assert ops("requests", "export", FIRST, "--json").json["state"] == "cancelled"
    assert seat_store.take(key(start="09:15"), "another", NOW + timedelta(minutes=3), NOW)
    assert ops("requests", "export", FIRST).json["state"] == "ended"


@pytest.mark.usefixtures("two")
def test_a_correction_changes_the_given_values_and_sends_the_convocation_again() -> None:
    words = ("--first-name", "Binta", "--birth-date", "1991-01-02", "--phone", "06 00 00 00 01")
    dry = ops("requests", "correct", FIRST, *words, "--dry-run", "--json")
    assert dry.json == {"reference": FIRST, "dry_run": True, "corrected": ["birth_date", "first_name", "phone"]}
    ran = ops("requests", "correct", FIRST, *words, "--yes")
    assert ran.code == 0
    assert ran.out == (
        f"{FIRST}: confirmed, Tuesday 8 December 2026 09:15, desk 1.\n"
        "Corrected: birth_date, first_name, phone.\nA new convocation follows.\n"
    )
    shown = ops("requests", "show", FIRST, "--json").json
    assert (shown["first_name"], shown["birth_date"], shown["phone"]) == ("Binta", "1991-01-02", "06 00 00 00 01")
    assert (shown["last_name"], shown["email"], shown["filed_as"]) == ("Exemple", "awa1@example.org", "Exemple Awa")
    assert PersonItem.get("PERSON#person1", "SERVICE#aes").wanted_at == NOW
    (item,) = [item for item in audit_items() if item["what"] == "requests correct"]
    assert item["arguments"] == {"reference": FIRST, "fields": ["birth_date", "first_name", "phone"]}
    assert item["counts"] == {"corrected": 1}


@pytest.mark.usefixtures("two")
def test_a_corrected_phone_or_an_unconfirmed_request_sends_no_convocation() -> None:
    assert ops("requests", "correct", FIRST, "--phone", "06 00 00 00 01", "--yes").code == 0
    assert ops("requests", "correct", "AES-00002-AAAAA", "--first-name", "Zoe", "--yes").code == 0
    for number in (1, 2):
        row = PersonItem.get(f"PERSON#person{number}", "SERVICE#aes")
        assert row.corrected == 1
        assert row.wanted_at is None


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize(
    ("options", "code", "stderr"),
    [
        (("--birth-date", "2031-01-01"), 1, "guichet: these values cannot be used: birth_date\n"),
        (("--first-name", "", "--phone", "x"), 1, "guichet: these values cannot be used: first_name, phone\n"),
        (("--first-name", "Awa"), 0, ""),
    ],
)
def test_an_invalid_or_empty_correction_changes_nothing(options: tuple[str, ...], code: int, stderr: str) -> None:
    before = whole_table()
    ran = ops("requests", "correct", FIRST, *options, "--yes")
    assert (ran.code, ran.err) == (code, stderr)
    assert whole_table() == before
    assert ops("requests", "correct", FIRST).code == 2


@pytest.mark.usefixtures("two")
def test_a_correction_of_a_request_that_changed_meanwhile_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_store, "correct", lambda *_, **__: False)
    ran = ops("requests", "correct", FIRST, "--phone", "06 00 00 00 01", "--yes")
    assert (ran.code, ran.err) == (
        1,
        f"guichet: {FIRST} changed at the same moment: show it, and run this again if it is still right\n",
    )


@pytest.mark.usefixtures("two")
def test_a_correction_names_what_is_right_already() -> None:
    words = ("--first-name", "Awa", "--phone", "06 00 00 00 01", "--dry-run")
    assert ops("requests", "correct", FIRST, *words).out == (
        f"{FIRST}: confirmed, Tuesday 8 December 2026 09:15, desk 1.\n"
        "As given already: first_name.\nTo correct: phone.\nNo new convocation follows.\n"
    )


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize("reference", ["aes00001aaaaa", " aes 00001 aaaaa", "AES-00001-AAAAA"])
def test_a_reference_is_understood_without_hyphens_and_in_small_letters(reference: str) -> None:
    assert ops("requests", "show", reference, "--json").json["reference"] == FIRST


@pytest.mark.usefixtures("two")
def test_hyphens_alone_are_nobodys_reference() -> None:
    assert ops("requests", "find", "--reference=--").out == "No request was found.\n"


@pytest.mark.usefixtures("two")
def test_a_dry_run_of_an_erasure_says_what_was_found_and_what_would_happen() -> None:
    assert ops("requests", "erase", FIRST, "--dry-run").out == (
        f"{FIRST}: confirmed, Tuesday 8 December 2026 09:15, desk 1.\n"
        "All data about this person is erased, and no letter is sent.\n"
        "The request is cancelled, and what it has is given back.\n"
    )


@pytest.mark.usefixtures("two")
def test_an_erasure_leaves_only_the_returning_seat_and_all_data_of_others() -> None:
    before = left_of(2)
    assert left_of(1) == ["EMAIL", "PERSON", "SEATS"]
    ran = ops("requests", "erase", FIRST, "--yes", "--json")
    assert (ran.code, ran.json) == (0, {"reference": FIRST, "was": "confirmed", "erased": True})
    seat = seat_store.read(key(start="09:15"))
    assert (seat.state, seat.past_state, seat.person) == (State.OPEN, State.WITHDRAWN, "")
    assert seat.opens_at >= NOW + timedelta(hours=2)
    assert [left_of(1), left_of(2)] == [["SEATS"], before]  # the seat has the digest of a hold that leads to nobody
    assert ops("requests", "erase", FIRST, "--yes").code == 1


@pytest.mark.usefixtures("two")
def test_an_erasure_gives_up_the_choice_of_a_displaced_applicant() -> None:
    close(TUESDAY)
    assert ops("requests", "erase", FIRST, "--yes").code == 0
    seat = seat_store.read(key(start="09:15"))
    assert (seat.state, seat.past_state, seat.person, seat.reserve) == (State.CLOSED, State.CANCELLED, "", "")
    assert left_of(1) == ["SEATS"]


@pytest.mark.usefixtures("two")
def test_an_ended_request_is_erased_before_and_after_its_seat_went_to_somebody_else() -> None:
    for number, seat in ((1, key(start="09:15")), (2, key(start="09:20", unit=2))):
        assert seat_store.end_request(seat_store.read(seat), State.CANCELLED, NOW, NOW)
        if number == 2:
            assert seat_store.take(seat, "another", NOW + timedelta(minutes=3), NOW)
        assert ops("requests", "erase", f"AES-0000{number}-AAAAA", "--yes").code == 0
        assert seat_store.read(seat).person == ""
    assert (left_of(1), left_of(2)) == (["SEATS"], [])
    assert seat_store.read(key(start="09:20", unit=2)).hold == "another"
