"""Runs beside each other: what was measured per query, and how far two sides differ on the same queries."""
