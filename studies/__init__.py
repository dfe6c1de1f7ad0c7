"""Studies: a paper's arms over several seeds, run as DVC experiments, their tables beside the published ones."""
