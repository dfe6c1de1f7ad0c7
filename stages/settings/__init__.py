"""The first stage: refuses params.yaml as a whole when anything in it is unknown, of the wrong type or out of range."""
