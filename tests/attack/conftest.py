"""The fixtures of `tests/test_app.py`: a service whose seats are there whatever day it is."""

from tests.test_app import service, table_says

__all__ = ["service", "table_says"]
