"""The search page: a trained model over a gallery of clips, on this machine alone. No stage of the pipeline."""
