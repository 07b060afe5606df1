"""The details of an invented applicant, as a form sends them."""

from datetime import date

TODAY = date(2026, 11, 30)
AWA = {
    "first_name": "Awa",
    "last_name": "Exemple",
    "birth_date": "1990-05-17",
    "email": "awa@example.org",
    "email_confirmation": "awa@example.org",
    "phone": "06 12 34 56 78",
}
