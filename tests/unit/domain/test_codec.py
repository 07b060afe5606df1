"""A service that was stored before a part of it changed its form."""

import pytest

from chalicelib.domain import codec
from tests.conftest import document


def test_a_contact_that_was_stored_as_one_line_stands_for_every_language() -> None:
    assert codec.service_from_document(document(contact="guichet@example.org")).contact == {"fr": "guichet@example.org"}
    by_language = {"fr": "guichet@example.org, de 9 h à 12 h", "en": "guichet@example.org, 9:00 to 12:00"}
    assert codec.service_from_document(document(contact=by_language)).contact == by_language


@pytest.mark.parametrize("contact", [{"en": "guichet@example.org"}, ["guichet@example.org"], 7])
def test_a_contact_without_french_is_refused(contact: object) -> None:
    with pytest.raises(ValueError, match="a text needs at least `fr`"):
        codec.service_from_document(document(contact=contact))
