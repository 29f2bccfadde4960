"""From indicators to datasets and rules: pure, no files, no network."""
