"""Evaluation: retrieval, robustness, zero-shot classification and traversal; student beside teacher."""
