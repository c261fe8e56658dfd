"""DNA sequences: alphabet, identifiers, records and the files they live in."""
