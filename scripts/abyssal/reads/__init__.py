"""Raw reads to ASVs, with every loss accounted for."""
