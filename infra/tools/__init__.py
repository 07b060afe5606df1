"""Small programs for developers, and what every command-line program shares."""
