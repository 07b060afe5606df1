"""The trial of a stage: book, confirm and erase one appointment of a hidden service, as an applicant does."""
