"""Abyssal: environmental-DNA reads in, calibrated lineages out.

The workflow's scripts and the inference service share this package; it imports neither Snakemake, gRPC's server side
nor ``abyssal_server``.
"""

__version__ = "0.1.0"
