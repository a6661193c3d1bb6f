"""What the Snakefile asks: the configuration, its checks, the registry. No job imports it."""
