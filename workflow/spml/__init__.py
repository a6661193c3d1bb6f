"""Learning from single-positive labels: one module per stage of the workflow."""
