"""The deployed service when what it stands on fails for a while: no letter is lost, no seat is given twice."""

from datetime import UTC, datetime

from infra.inbox import any_port
from infra.laptop import HOST, Stack
from tests.stack.faults import configured, logged
from tests.stack.visitor import Visitor, person, until


def test_a_letter_waits_while_ses_is_away_and_comes_once_when_it_is_back(stack: Stack) -> None:
    visitor, awa, began = Visitor(stack), person(), datetime.now(UTC)
    with configured(stack, "mailer", AWS_ENDPOINT_URL_SES=f"http://{HOST}:{any_port()}"):
        visitor.file(awa)
        until(lambda: logged(stack, "mailer", "mail-later", began))
        assert visitor.letters(awa["email"]) == []
    assert visitor.letter(awa["email"])["subject"] == "Confirmez votre rendez-vous"
    after = person()
    visitor.file(after)
    visitor.letter(after["email"])  # the stream has gone on
    assert len(visitor.letters(awa["email"])) == 1
