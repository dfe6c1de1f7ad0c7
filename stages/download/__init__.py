"""Fetch a dataset once into the download store and link it into data/raw."""
