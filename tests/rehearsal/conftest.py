"""What `make rehearse` runs: too long for `make test`."""

from tests.stackfixture import clock, stack

__all__ = ["clock", "stack"]
