"""E-mail addresses: which ones can receive mail, and which spellings are one mailbox."""

from contextlib import suppress

SIMULATOR = "@simulator.amazonses.com"
"""How the addresses of SES's mailbox simulator end. Nobody reads what is sent to them."""
_WITH_PLUS_TAGS = {
    *("gmail.com", "googlemail.com", "proton.me", "protonmail.com", "pm.me", "icloud.com", "me.com", "mac.com"),
    *("outlook.com", "outlook.fr", "hotmail.com", "hotmail.fr", "live.com", "live.fr", "msn.com"),
    *("fastmail.com", "fastmail.fm"),
}
"""Domains that ignore "+" and what follows it in a mailbox name."""
_DOTS_IGNORED = {"gmail.com", "googlemail.com", "proton.me", "protonmail.com", "pm.me"}
"""Domains that ignore dots in a mailbox name."""
_ALIASES = {"googlemail.com": "gmail.com", "protonmail.com": "proton.me", "pm.me": "proton.me"}
"""Domains whose mailboxes are those of another domain."""
_RESERVED = {"alt", "internal"}
"""Top-level domains without mail, besides those that email-validator refuses (test, invalid, localhost, …)."""


def deliverable(typed: str) -> str:
    """Return an e-mail address in ASCII, as SES takes it: an internationalized domain in punycode.

    Raise ValueError for an e-mail address that cannot receive mail from SES. The DNS is not queried.
    """
    from email_validator import validate_email  # noqa: PLC0415  60 ms, only where an e-mail address is validated

    checked = validate_email(
        typed, allow_smtputf8=False, allow_quoted_local=False, strict=True, check_deliverability=False
    )
    top = checked.ascii_domain.rpartition(".")[2]
    if top in _RESERVED or len(top) == 1:
        raise ValueError("no mail is delivered to this top-level domain")
    return f"{checked.local_part}@{checked.ascii_domain}"


def mailbox_key(email: str) -> str:
    """Return one form for all spellings that reach the same mailbox: case, dots and "+" where ignored, and IDN."""
    email = email.strip()
    if not email.isascii():
        with suppress(ValueError):
            email = deliverable(email)
    local, _, domain = email.casefold().rpartition("@")
    if domain in _WITH_PLUS_TAGS:
        local = local.partition("+")[0]
    if domain in _DOTS_IGNORED:
        local = local.replace(".", "")
    return f"{local}@{_ALIASES.get(domain, domain)}"
