"""Letters: which change calls for which one, its words, SES, and what SES reports back."""
