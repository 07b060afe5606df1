"""The mark of tests that take too long for every run; `make test-long` runs them."""

import os

import pytest

IS_LONG = "GUICHET_LONG" in os.environ
LONG = pytest.mark.skipif(not IS_LONG, reason="make test-long")
