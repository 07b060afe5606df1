"""These tests share one running service."""

from tests.stackfixture import stack

__all__ = ["stack"]
