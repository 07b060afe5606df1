"""A session ends by itself, by its agent, and by whoever takes the access away; nothing typed is lost."""

from datetime import timedelta

import pytest

from chalicelib.desk import accounts, sessions
from chalicelib.domain import tokens
from chalicelib.domain.agent import Role
from chalicelib.storage import desk_store, service_store
from tests.client import FORM, Page, TableFails, send
from tests.conftest import Clock
from tests.unit.desk.office import Desk, invited

pytestmark = pytest.mark.slow

IDLE, LONGEST = timedelta(minutes=30), timedelta(hours=8)
TYPED = {"email": "gilles@example.org", "name": "Gilles <b>Exemple</b>", "role": "planner"}


@pytest.fixture
def agnes(desk: Desk, clock: Clock) -> Desk:
    """The browser of an administrator who has signed in."""
    invited("agnes", clock.now, Role.ADMINISTRATOR)
    desk.sign_in("agnes")
    return desk


def test_a_session_ends_after_thirty_minutes_without_a_request(agnes: Desk, clock: Clock) -> None:
    clock.move(IDLE - timedelta(seconds=1))
    assert agnes.get("/desk?all=yes").status == 200
    clock.move(IDLE - timedelta(seconds=1))
    assert agnes.get("/desk?all=yes").status == 200
    clock.move(IDLE)
    assert agnes.get("/desk").status == 401


def test_a_session_ends_after_eight_hours_even_if_it_is_used(agnes: Desk, clock: Clock) -> None:
    for _ in range(19):
        clock.move(timedelta(minutes=25))
        assert agnes.get("/desk?all=yes").status == 200
    clock.move(LONGEST - 19 * timedelta(minutes=25))
    assert agnes.get("/desk").status == 401


def test_each_sign_in_has_a_new_session_and_ends_the_one_of_the_browser(agnes: Desk) -> None:
    first = agnes.jar["__Host-desk"]
    agnes.sign_in("agnes")
    assert agnes.jar["__Host-desk"] != first
    agnes.jar["__Host-desk"] = first
    assert agnes.get("/desk").status == 401


def test_a_session_that_the_browser_brings_along_is_never_taken_over(desk: Desk, clock: Clock) -> None:
    invited("basile", clock.now)
    desk.jar["__Host-desk"] = "a" * 52
    desk.sign_in("basile")
    assert desk.jar["__Host-desk"] != "a" * 52


def test_the_table_has_the_digest_of_the_cookie_only(agnes: Desk) -> None:
    cookie = agnes.jar["__Host-desk"]
    assert desk_store.read_session(tokens.digest(cookie))
    assert not desk_store.read_session(cookie)


def test_signing_out_ends_this_session_and_not_the_one_of_another_computer(agnes: Desk, clock: Clock) -> None:
    other = Desk(agnes.provider)
    other.sign_in("agnes")
    cookie = agnes.jar["__Host-desk"]
    answer = agnes.post("/desk/sign-out")
    assert (answer.status, answer.headers["Location"], "__Host-desk" in agnes.jar) == (303, "../desk", False)
    assert sessions.read(cookie, clock.now) is None
    assert other.get("/desk?all=yes").status == 200


def test_signing_out_everywhere_ends_all_sessions_and_not_the_next_one(agnes: Desk) -> None:
    other = Desk(agnes.provider)
    other.sign_in("agnes")
    assert agnes.post("/desk/sign-out-everywhere").status == 303
    assert other.get("/desk").status == 401
    assert other.sign_in("agnes").status == 303
    assert other.get("/desk?all=yes").status == 200


def test_who_signs_out_without_a_session_is_signed_out(desk: Desk) -> None:
    assert desk.post("/desk/sign-out").status == 303
    assert desk.post("/desk/sign-out-everywhere").status == 303


@pytest.mark.parametrize("csrf", ["", "a" * 52, "é", None])
def test_a_form_without_the_token_of_its_session_changes_nothing(agnes: Desk, csrf: str | None) -> None:
    other = Desk(agnes.provider)
    other.sign_in("agnes")
    wrong = other.csrf() if csrf is None else csrf
    for path in ("/desk/sign-out", "/desk/sign-out-everywhere", "/desk/aes/accounts", "/desk/aes/accounts/none"):
        answer = agnes.post(path, csrf=wrong, **TYPED)
        assert (answer.status, "Ce formulaire n’est plus valable" in answer.text) == (403, True)
    assert agnes.get("/desk?all=yes").status == 200
    assert [account.email for account in accounts.all_open()] == ["agnes@example.org"]


def test_what_was_typed_when_the_session_ended_is_there_after_the_next_sign_in(agnes: Desk, clock: Clock) -> None:
    csrf = agnes.csrf()
    clock.move(IDLE)
    answer = agnes.post("/desk/aes/accounts", csrf=csrf, **TYPED)
    assert (answer.status, "vous le retrouverez après la connexion" in answer.text) == (401, True)
    back = agnes.sign_in("agnes", "desk/aes/accounts")
    assert back.headers["Location"] == "../desk/aes/accounts"
    shown = agnes.get("/desk/aes/accounts")
    assert Page(shown.text).fields("email") == {**TYPED, "csrf": agnes.csrf()}
    assert "<b>Exemple" not in shown.text
    assert Page(agnes.get("/desk/aes/accounts").text).fields("email")["email"] == ""


def test_a_role_is_read_at_each_request(agnes: Desk, clock: Clock) -> None:
    account = accounts.find("agnes@example.org")
    invited("denis", clock.now, Role.ADMINISTRATOR)
    assert account
    assert agnes.get("/desk/aes/accounts").status == 200
    accounts.change_role(account.id, "aes", Role.VIEWER, by=None, now=clock.now)
    assert agnes.get("/desk/aes/accounts").status == 403
    answer = agnes.post("/desk/aes/accounts", **TYPED)
    assert (answer.status, "Votre compte ne permet pas" in answer.text) == (403, True)
    accounts.change_role(account.id, "aes", None, by=None, now=clock.now)
    assert agnes.get("/desk").status == 401


@pytest.mark.parametrize("role", Role)
def test_each_role_includes_those_before_it_in_its_own_service_only(desk: Desk, clock: Clock, role: Role) -> None:
    invited("basile", clock.now, role)
    desk.sign_in("basile")
    account = accounts.find("basile@example.org")
    assert account
    order = [known for known in Role if known is not Role.ASSOCIATION]
    included = [role] if role is Role.ASSOCIATION else order[: order.index(role) + 1]
    assert [needed for needed in Role if account.role_in("aes", needed)] == included
    assert account.role_in("other", Role.VIEWER) is None
    assert desk.get("/desk/aes/accounts").status == (200 if role is Role.ADMINISTRATOR else 403)
    assert desk.get("/desk/other/accounts").status == 403


def test_the_pages_are_in_french_whatever_the_browser_asks_for(desk: Desk) -> None:
    answer = send("GET", "/desk?lang=ar", {**FORM, "Accept-Language": "ar", "Cookie": "lang=ar"})
    assert (answer.status, answer.headers["Content-Language"], answer.cookies) == (401, "fr", ())
    assert "Connectez-vous pour continuer." in answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert desk.provider.calls == []


@pytest.mark.parametrize(("code", "status"), [("ProvisionedThroughputExceededException", 429), (None, 503)])
def test_a_page_or_a_form_of_the_desk_says_that_the_table_does_not_answer(
    agnes: Desk, table_fails: TableFails, code: str | None, status: int
) -> None:
    csrf = agnes.csrf()
    table_fails(code)
    service_store.clear_caches()
    paths = ("/desk/sign-out", "/desk/sign-out-everywhere", "/desk/aes/accounts", "/desk/aes/accounts/none")
    answers = [agnes.get("/desk?all=yes"), agnes.get("/desk/aes/accounts")]
    answers += [agnes.post(path, csrf=csrf, **TYPED) for path in paths]
    assert {answer.status for answer in answers} == {status}
    assert "/desk/sign-in?to=" not in "".join(answer.text for answer in answers)
    assert agnes.jar["__Host-desk"]
