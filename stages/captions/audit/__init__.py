"""What the language models wrote, read back: accepted or not, how far from the originals, seen before, and paid for."""
