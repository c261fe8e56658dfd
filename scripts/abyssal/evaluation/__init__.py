"""Held-out measurement and the peers beside it."""
