"""What takes too long for every run: `make test-long` has it."""

import os

import pytest

IS_LONG = "GUICHET_LONG" in os.environ
LONG = pytest.mark.skipif(not IS_LONG, reason="make test-long")
