"""Mark messages for translation."""


def N_(message: str) -> str:  # noqa: N802  # gettext's own name for a message that is translated later
    """Mark a message for the catalogues without translating it here."""
    return message
