"""A table that fails, as in the HTTP tests, and one with the hidden services."""

from datetime import date
from pathlib import Path

import pytest

from chalicelib.storage import service_store
from infra.deploy import smoke
from infra.servicefile import reader
from tests.client import table_fails

__all__ = ["table_fails"]


@pytest.fixture
def stage(table: None, tmp_path: Path) -> None:  # noqa: ARG001  # a fixture for its effect
    """Put the hidden services, as a deployment does."""
    for file in smoke.write_files(tmp_path):
        (document,) = reader.read([file], today=date(2026, 11, 23)).documents
        service_store.put(document)
