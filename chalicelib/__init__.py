"""Guichet: fair appointments for the people a prefecture must see in person."""

__version__ = "0.1.0"
