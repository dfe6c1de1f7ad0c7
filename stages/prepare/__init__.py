"""Recordings become clips in tar shards with one table (`stages.prepare <dataset>`); clips get roles (`.catalogue`)."""
