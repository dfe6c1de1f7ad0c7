"""The steps of the pipeline, one folder each; steps meet only in tables and folders on disk."""
