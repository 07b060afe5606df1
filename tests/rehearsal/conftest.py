"""What `make rehearse` runs: too long for `make test`."""

from tests.stackfixture import stack

__all__ = ["stack"]
