"""The six steps of the breadcrumb."""

HOME, DESCRIPTION, SLOTS, CAPTCHA, DETAILS, FINISH = range(1, 7)
"""The six steps of the breadcrumb."""
