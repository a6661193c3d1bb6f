"""One module a dataset; each turns raw material into :class:`spml.labels.Labels`."""
