"""Jobs that survive whatever dies: a document each, a lease for who works on it, a fence for what it may publish."""
