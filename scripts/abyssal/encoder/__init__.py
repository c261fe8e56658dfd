"""Sequence to vector: k-mer branch, transformer branch, training, embedding."""
