"""Sequence to calibrated lineage: retrieval, evidence, calibrators, decision."""
