"""The training loop, its state, the network and the device: an edit makes all runs anew."""
