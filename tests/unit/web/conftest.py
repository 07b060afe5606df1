"""The service of the HTTP tests, whose seats exist on any day."""

from tests.client import service, table_fails

__all__ = ["service", "table_fails"]
