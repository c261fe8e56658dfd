"""Diversity within and between samples: ``measure`` computes, ``files`` writes and reads the tables.

Putative taxa count as taxa. Nothing is drawn at random: rarefaction is its expectation.
"""
