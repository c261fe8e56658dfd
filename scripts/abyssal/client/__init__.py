"""A small typed client of the inference service; needs grpcio, protobuf and numpy, but no torch."""

from abyssal.client.asynchronous import AsyncClient
from abyssal.client.connection import Access
from abyssal.client.errors import ServiceError, ServiceUnavailable
from abyssal.client.sync import Client

__all__ = ["Access", "AsyncClient", "Client", "ServiceError", "ServiceUnavailable"]
