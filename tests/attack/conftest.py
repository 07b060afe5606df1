"""The service of `tests/test_app.py`, whose seats are there whatever day it is; `small` is the one of the others."""

from tests.conftest import service as small
from tests.test_app import service, table_says

__all__ = ["service", "small", "table_says"]
