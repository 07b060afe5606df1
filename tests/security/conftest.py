"""The service of the HTTP tests, whose seats exist on any day; `small` is the service of the other tests."""

from tests.client import service, table_fails
from tests.conftest import service as small

__all__ = ["service", "small", "table_fails"]
