"""The REST gateway: HTTP in front of the gRPC service; it holds no model."""
