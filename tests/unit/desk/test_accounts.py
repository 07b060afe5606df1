"""Who has an account: only who was invited, by somebody who may; each service keeps an administrator."""

import pytest

from chalicelib.desk import accounts, audit
from chalicelib.domain.agent import Account, Role
from chalicelib.domain.refusals import AccessChanged, InvalidFields, LastAdministrator, NotFound
from chalicelib.storage import desk_store
from tests.client import Page, all_items
from tests.conftest import Clock
from tests.unit.desk.office import Desk, invited

pytestmark = pytest.mark.slow

ADMINISTRATOR = Role.ADMINISTRATOR


def roles_of(email: str) -> dict[str, Role]:
    account = accounts.find(email)
    return dict(account.roles) if account else {}


@pytest.mark.usefixtures("table")
def test_an_address_is_invited_once_for_each_service_in_any_spelling(clock: Clock) -> None:
    invited("basile", clock.now)
    with pytest.raises(InvalidFields) as refused:
        accounts.invite("Basile@Example.org", "B", ["aes"], Role.VIEWER, by=None, now=clock.now)
    assert refused.value.errors == {"email": "Cette personne a déjà accès à ce service."}
    accounts.invite("Basile@Example.org", "B", ["other"], Role.VIEWER, by=None, now=clock.now)
    assert roles_of("basile@example.org") == {"aes": Role.AGENT, "other": Role.VIEWER}
    assert [account.name for account in accounts.all_open()] == ["Basile Exemple"]


@pytest.mark.usefixtures("table")
def test_the_last_administrator_can_neither_go_nor_become_something_else(clock: Clock) -> None:
    agnes = invited("agnes", clock.now, ADMINISTRATOR, "aes", "other")
    for role in (None, Role.PLANNER):
        for by in (None, agnes):
            with pytest.raises(LastAdministrator):
                accounts.change_role(agnes.id, "aes", role, by=by, now=clock.now)
    invited("denis", clock.now, ADMINISTRATOR)
    changed = accounts.change_role(agnes.id, "aes", None, by=agnes, now=clock.now)
    assert roles_of("agnes@example.org") == changed.roles == {"other": ADMINISTRATOR}
    with pytest.raises(LastAdministrator):  # that of the other service
        accounts.change_role(agnes.id, "other", None, by=changed, now=clock.now)


@pytest.mark.usefixtures("table")
def test_of_two_administrators_who_remove_each_other_at_once_one_stays(clock: Clock) -> None:
    agnes, denis = (invited(name, clock.now, ADMINISTRATOR) for name in ("agnes", "denis"))
    accounts.change_role(denis.id, "aes", None, by=agnes, now=clock.now)
    with pytest.raises(AccessChanged):  # Denis was an administrator when his click arrived
        accounts.change_role(agnes.id, "aes", None, by=denis, now=clock.now)
    assert roles_of("agnes@example.org") == {"aes": ADMINISTRATOR}


@pytest.mark.usefixtures("table")
def test_who_lost_the_role_a_moment_ago_changes_and_invites_nobody(clock: Clock) -> None:
    agnes, denis, basile = (invited(name, clock.now, ADMINISTRATOR) for name in ("agnes", "denis", "basile"))
    accounts.change_role(denis.id, "aes", Role.VIEWER, by=agnes, now=clock.now)
    before = all_items()
    with pytest.raises(AccessChanged):
        accounts.change_role(basile.id, "aes", None, by=denis, now=clock.now)
    with pytest.raises(AccessChanged):
        accounts.invite("gilles@example.org", "Gilles", ["aes"], ADMINISTRATOR, by=denis, now=clock.now)
    assert all_items() == before


@pytest.mark.usefixtures("table")
def test_a_change_that_was_decided_on_an_older_state_is_refused(clock: Clock) -> None:
    basile = invited("basile", clock.now)
    accounts.change_role(basile.id, "aes", Role.PLANNER, by=None, now=clock.now)
    with pytest.raises(desk_store.Conflict):
        desk_store.change_roles(basile, {}, "digest", actor=None, now=clock.now, erase_at=clock.now, records=[])
    assert roles_of("basile@example.org") == {"aes": Role.PLANNER}


@pytest.mark.usefixtures("table")
def test_an_account_closes_with_its_last_role_and_its_address_can_be_invited_again(clock: Clock) -> None:
    first = invited("basile", clock.now)
    assert accounts.bind("https://issuer", "basile", "basile@example.org") is not None
    accounts.change_role(first.id, "aes", None, by=None, now=clock.now)
    assert (accounts.all_open(), accounts.find("basile@example.org")) == ([], None)
    assert accounts.bind("https://issuer", "basile", "basile@example.org") is None
    second = invited("basile", clock.now)
    bound = accounts.bind("https://issuer", "basile", "basile@example.org")
    assert bound is not None
    assert bound.id == second.id != first.id
    (closed,) = [item for item in all_items() if item["sk"]["S"] == first.id]
    assert int(closed["erase_at"]["N"]) == int((clock.now + audit.RETENTION).timestamp())


@pytest.mark.usefixtures("table")
def test_an_identity_of_another_provider_with_the_same_subject_is_another_one(clock: Clock) -> None:
    invited("basile", clock.now)
    assert accounts.bind("https://issuer", "7", "basile@example.org") is not None
    assert accounts.bind("https://other", "7", "basile@example.org") is None
    assert accounts.bind("https://issuer", "7", "") is not None


@pytest.mark.usefixtures("table")
def test_a_role_in_a_service_that_somebody_does_not_have_cannot_be_changed(clock: Clock) -> None:
    basile = invited("basile", clock.now)
    for account, service in ((basile.id, "other"), ("none", "aes")):
        with pytest.raises(NotFound):
            accounts.change_role(account, service, Role.VIEWER, by=None, now=clock.now)


@pytest.mark.usefixtures("table")
def test_each_role_that_changes_is_in_the_audit_of_its_service_without_names(clock: Clock) -> None:
    agnes = invited("agnes", clock.now, ADMINISTRATOR)
    basile = accounts.invite("basile@example.org", "Basile", ["aes"], Role.AGENT, by=agnes, now=clock.now)
    accounts.change_role(basile.id, "aes", None, by=agnes, now=clock.now)
    rows = list(desk_store.read_audit("aes", clock.now.date()))
    acts = {(row.agent, row.act, row.facts["account"], row.facts["before"], row.facts["after"]) for row in rows}
    assert acts == {
        ("operator", "role", agnes.id, "none", "administrator"),
        (agnes.id, "role", basile.id, "none", "agent"),
        (agnes.id, "role", basile.id, "agent", "none"),
    }
    assert all(int(row.erase_at) == int((clock.now + audit.RETENTION).timestamp()) for row in rows)


@pytest.mark.usefixtures("table")
def test_a_view_is_in_the_audit_once_in_fifteen_minutes_for_each_agent(clock: Clock) -> None:
    for minutes, agent in ((0, "a"), (1, "a"), (14, "a"), (14, "b"), (15, "a")):
        moment = clock.now.replace(hour=9, minute=minutes)
        audit.record_view("aes", agent, "day", moment, date="2026-12-01")
    assert len(list(desk_store.read_audit("aes", clock.now.date()))) == 3


@pytest.fixture
def agnes(desk: Desk, clock: Clock) -> Account:
    """An administrator who has signed in."""
    account = invited("agnes", clock.now, ADMINISTRATOR)
    desk.sign_in("agnes")
    return account


GILLES = {"email": "gilles@example.org", "name": "Gilles Exemple", "role": "agent"}


@pytest.mark.usefixtures("agnes")
def test_an_administrator_opens_changes_and_takes_away_an_access_in_the_browser(desk: Desk) -> None:
    answer = desk.post("/desk/aes/accounts", **GILLES)
    assert (answer.status, answer.headers["Location"]) == (303, "../../desk/aes/accounts?saved=invited#saved")
    assert "L’accès est ouvert." in desk.get("/desk/aes/accounts?saved=invited").text
    gilles = accounts.find("gilles@example.org")
    assert gilles
    assert desk.post(f"/desk/aes/accounts/{gilles.id}", role="viewer").status == 303
    assert roles_of("gilles@example.org") == {"aes": Role.VIEWER}
    assert desk.post(f"/desk/aes/accounts/{gilles.id}", role="none").status == 303
    assert roles_of("gilles@example.org") == {}
    assert desk.post(f"/desk/aes/accounts/{gilles.id}", role="viewer").status == 404


@pytest.mark.usefixtures("agnes")
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"email": "gilles"}, "Écrivez une adresse complète"),
        ({"email": "agnes@example.org"}, "Cette personne a déjà accès"),
        ({"email": ""}, "Indiquez votre adresse e-mail."),
        ({"name": ""}, "Remplissez ce champ."),
        ({"name": "\u202egilles"}, "un caractère qui n’est pas accepté"),
        ({"role": "king"}, "Choisissez un rôle."),
        ({"role": "none"}, "Choisissez un rôle."),
    ],
)
def test_a_wrong_invitation_says_why_and_keeps_what_was_typed(desk: Desk, change: dict[str, str], words: str) -> None:
    typed = {**GILLES, **change}
    answer = desk.post("/desk/aes/accounts", **typed)
    assert (answer.status, words in answer.text) == (422, True)
    shown = Page(answer.text).fields("email")
    assert (shown["email"], shown["name"]) == (typed["email"], typed["name"])
    assert len(accounts.all_open()) == 1


def test_the_last_administrator_reads_why_and_may_go_once_there_is_another(
    desk: Desk, agnes: Account, clock: Clock
) -> None:
    answer = desk.post(f"/desk/aes/accounts/{agnes.id}", role="none")
    assert (answer.status, "Donnez d’abord ce rôle à quelqu’un d’autre" in answer.text) == (409, True)
    invited("denis", clock.now, ADMINISTRATOR)
    assert desk.post(f"/desk/aes/accounts/{agnes.id}", role="none").headers["Location"] == "../../../desk"
    assert desk.get("/desk").status == 401


@pytest.mark.usefixtures("agnes")
def test_the_page_of_a_service_shows_nobody_of_another(desk: Desk, clock: Clock) -> None:
    invited("denis", clock.now, ADMINISTRATOR, "other")
    assert "denis@example.org" not in desk.get("/desk/aes/accounts").text
    denis = accounts.find("denis@example.org")
    assert denis
    assert desk.post(f"/desk/aes/accounts/{denis.id}", role="none").status == 404
    assert desk.post(f"/desk/other/accounts/{denis.id}", role="none").status == 403
