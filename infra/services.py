"""Put service files in place: `python -m infra.services FILE...`, on the table that the environment names."""

import sys
from pathlib import Path

import yaml

from chalicelib import files, store


def put(paths: list[Path]) -> None:
    """Check every file, then store them all; one line names the file that is wrong, and nothing is stored."""
    documents = []
    for path in paths:
        try:
            documents.append(yaml.safe_load(path.read_text("utf-8")))
            files.service_from(documents[-1])
        except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
            raise SystemExit(f"guichet: {path}: {error}") from error
    for document in documents:
        store.put_service(document)


if __name__ == "__main__":
    put([Path(name) for name in sys.argv[1:]])
