"""Pages, letters and files made from values: templates, translations, PDF, calendar file, captcha."""
