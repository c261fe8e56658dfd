"""Typed configuration: models, loading with helpful errors, and what is generated from the models."""
