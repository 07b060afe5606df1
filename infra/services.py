"""Put service files in place: `python -m infra.services FILE...`, on the table that the environment names."""

import sys
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path

from chalicelib import store
from infra import servicefile


def put(paths: Iterable[Path], *, today: date) -> None:
    """Check every file, then store them all; each mistake is named, and then nothing is stored."""
    try:
        services = servicefile.read(paths, today=today)
    except servicefile.Mistakes as mistakes:
        raise SystemExit(f"guichet: nothing was changed\n{mistakes}") from mistakes
    for warning in services.warnings:
        print(f"guichet: {warning}", file=sys.stderr)
    for document in services.documents:
        store.put_service(document)


if __name__ == "__main__":
    put([Path(name) for name in sys.argv[1:]], today=datetime.now(UTC).date())
