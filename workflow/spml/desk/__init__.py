"""What a person asks: the parts of plan, doctor and show. No job imports it."""
