"""Use cases: what an applicant does, and what the schedules do to seats."""
