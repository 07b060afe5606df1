"""What agents do at the desk: sign in, manage accounts, and what they leave in the audit."""
