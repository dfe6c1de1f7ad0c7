"""Captions by a language model: rewrite, paraphrase, synthesize; one client, one store of replies, named checks."""
