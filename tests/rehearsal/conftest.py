"""The tests of `make rehearse`, which take too long for `make test`."""

from tests.stackfixture import clock, stack

__all__ = ["clock", "stack"]
