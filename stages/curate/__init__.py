"""Curation: the teacher picks pairs out of unpaired audio and a pool of captions."""
