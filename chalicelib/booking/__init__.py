"""Use cases of applicants: hold a seat, pass the captcha, file and manage a request; and what the schedules run."""
