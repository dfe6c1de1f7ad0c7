"""Measures of retrieval, classification and traversal, and how sure one can be of them; pure functions over arrays."""
