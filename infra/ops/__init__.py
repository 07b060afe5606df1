"""The operator program and the repair programs beside it."""
