"""The operator program, and the repair programs restore and redrive."""
