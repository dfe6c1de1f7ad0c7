"""Objectives: one module per family, pure functions over tensors, and their weighted composition."""
