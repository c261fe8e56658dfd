"""Putative taxa: groups of sequences that nobody can name."""
