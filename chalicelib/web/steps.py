"""The numbers of the six steps of a booking, which the head of a page shows."""

HOME, DESCRIPTION, SLOTS, CAPTCHA, DETAILS, FINISH = range(1, 7)
