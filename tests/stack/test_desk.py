"""An agent signs in at the deployed service, and only the desk function takes part."""

from infra.local.stack import Stack
from tests.stack.agent import Agent


def test_an_agent_signs_in_manages_accesses_and_signs_out(stack: Stack) -> None:
    agnes = Agent(stack)
    assert agnes.get("/desk").status_code == 401
    answer = agnes.sign_in("agnes")
    assert (answer.status_code, answer.headers["Location"]) == (303, "../desk")
    home = agnes.get("/desk")
    assert (home.status_code, "Agnès Exemple" in home.text) == (200, True)
    accounts = agnes.get("/desk/aes/accounts")
    assert (accounts.status_code, "basile@example.org" in accounts.text) == (200, True)
    assert agnes.post("/desk/sign-out").status_code == 303
    assert agnes.get("/desk").status_code == 401


def test_who_has_one_factor_only_or_no_access_stays_outside(stack: Stack) -> None:
    for subject, words in (("etienne", "deux facteurs, par exemple"), ("fanny", "Aucun accès")):
        answer = Agent(stack).sign_in(subject)
        assert (answer.status_code, words in answer.text) == (403, True)


def test_a_viewer_manages_no_accesses(stack: Stack) -> None:
    chloe = Agent(stack)
    chloe.sign_in("chloe")
    assert chloe.get("/desk/aes/accounts").status_code == 403
    assert chloe.post("/desk/aes/accounts", email="x@example.org", name="X", role="agent").status_code == 403
