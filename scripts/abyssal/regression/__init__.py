"""Numeric metadata of samples (depth, temperature) from their composition."""
