"""What the inference service and its clients share: taxon tables, distinct reads, messages and generated stubs."""
