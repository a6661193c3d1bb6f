"""Labels, observed labels and their draw, packed pictures."""
