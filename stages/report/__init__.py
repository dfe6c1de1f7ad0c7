"""The page: every stage's chapter laid out in one folder that opens from disk."""
