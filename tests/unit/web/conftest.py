"""The service of the HTTP tests, whose seats exist on any day, and the identity provider of the agents."""

from tests.client import service, table_fails
from tests.unit.desk.conftest import provider

__all__ = ["provider", "service", "table_fails"]
