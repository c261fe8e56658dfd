"""The inference service (gRPC), its REST gateway and what runs them; all science lives in ``abyssal``."""
