"""Metrics, selection of the epoch, and statistics."""
