"""Clap: audio encoder → pooling → head, text encoder → head, unit embeddings in one space."""
