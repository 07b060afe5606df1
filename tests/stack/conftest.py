"""These tests share one running service."""

from tests.stackfixture import clock, stack

__all__ = ["clock", "stack"]
