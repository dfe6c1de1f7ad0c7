"""Training: batches, loop, checkpoints; doors: teacher, student."""
