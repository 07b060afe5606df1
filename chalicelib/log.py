"""One JSON line per event on stderr, which Lambda keeps. Never personal data, never a token."""

import json
import sys


def event(name: str, **facts: str | float | bool | None) -> None:
    """Write what happened; the facts are codes, counts and seat keys."""
    sys.stderr.write(json.dumps({"event": name, **facts}) + "\n")
