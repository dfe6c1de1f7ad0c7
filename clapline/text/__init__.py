"""What the stages do with words: prompts, sentence encoders, similarity of captions."""
