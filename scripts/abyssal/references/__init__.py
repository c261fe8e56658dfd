"""Labelled sequences: parsing, checking, cutting to the amplicon, and the simulator's raw material."""
