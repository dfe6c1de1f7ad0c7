"""The typed, validated view of params.yaml: one module per section, so that a door depends on its own knobs alone."""
