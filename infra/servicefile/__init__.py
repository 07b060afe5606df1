"""Service files: from YAML to a checked service document."""
