"""The published comparison: the same cases for Abyssal and for every peer, scored by published rules."""
