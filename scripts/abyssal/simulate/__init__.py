"""Amplicon libraries with full truth."""
