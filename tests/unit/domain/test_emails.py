import pytest

from chalicelib.domain import emails
from tests.unit.domain.samples import UNDELIVERABLE


@pytest.mark.parametrize(
    ("email", "key"),
    [
        ("awa@example.org", "awa@example.org"),
        (" AWA@Example.ORG ", "awa@example.org"),
        ("a.wa@example.org", "a.wa@example.org"),
        ("awa+rdv@example.org", "awa+rdv@example.org"),
        ("a.w.a+rdv@gmail.com", "awa@gmail.com"),
        ("awa@googlemail.com", "awa@gmail.com"),
        ("A.Wa+1+2@ProtonMail.com", "awa@proton.me"),
        ("awa@pm.me", "awa@proton.me"),
        ("a.wa+rdv@outlook.fr", "a.wa@outlook.fr"),
        ("awa+rdv@icloud.com", "awa@icloud.com"),
        ("awa+rdv@fastmail.com", "awa@fastmail.com"),
        ("awa@Exämple.org", "awa@xn--exmple-cua.org"),
        ("awa@XN--EXMPLE-CUA.org", "awa@xn--exmple-cua.org"),
        ("awa@ｅxample.org", "awa@example.org"),
        ("ÅWA@example.org", "åwa@example.org"),  # never accepted, but compared
        ("", "@"),
    ],
)
def test_a_mailbox_has_one_key_in_every_spelling_of_its_e_mail_address(email: str, key: str) -> None:
    assert emails.mailbox_key(email) == key


@pytest.mark.parametrize(
    ("typed", "deliverable"),
    [
        ("awa@example.org", "awa@example.org"),
        ("Awa.Exemple+rdv@EXAMPLE.org", "Awa.Exemple+rdv@example.org"),
        ("o'exemple@example.org", "o'exemple@example.org"),
        ("awa@exemple-é.fr", "awa@xn--exemple--i1a.fr"),
        ("awa@straße.example", "awa@xn--strae-oqa.example"),
        ("awa@xn--exmple-cua.org", "awa@xn--exmple-cua.org"),
        ("awa@ｅxample.org", "awa@example.org"),
        ("awa@مثال.إختبار", "awa@xn--mgbh0fb.xn--kgbechtv"),
        ("a" * 64 + "@example.org", "a" * 64 + "@example.org"),
    ],
)
def test_a_deliverable_e_mail_address_is_returned_as_ses_takes_it(typed: str, deliverable: str) -> None:
    assert emails.deliverable(typed) == deliverable


@pytest.mark.parametrize("typed", UNDELIVERABLE)
def test_an_undeliverable_e_mail_address_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        emails.deliverable(typed)
