"""One module per table or figure, named as its key in config/exhibits.yaml."""
