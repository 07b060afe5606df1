"""What a thief of the table, of its stream and of all logs would find: nothing that opens a door or names a person."""

from tests.stack.test_visitors import HOLD, limited, ticketed  # noqa: F401  # a fixture
