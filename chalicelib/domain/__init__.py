"""Values and rules. Standard library only; no table, no HTTP, no clock of its own."""
