"""Recordings in and out: decode once to mono at one rate, FLAC in tar shards, features."""
