"""The verifiable directory that holds all inference needs."""
