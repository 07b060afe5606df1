"""A table that fails, as in the HTTP tests."""

from tests.client import table_fails

__all__ = ["table_fails"]
