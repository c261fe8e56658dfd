"""Datasets that users send: received in pieces, checked, kept as objects; names of uploads are never paths."""
