"""The paths of the REST interface, one module a subject."""
