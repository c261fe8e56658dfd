"""What happens around every call: counting, request ids, one log line, and errors turned into status."""

from __future__ import annotations

import asyncio
import logging
import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

import grpc
from google.protobuf.message import DecodeError
from grpc_status import rpc_status

from abyssal.errors import AbyssalError
from abyssal_server.access import CALLER, Gate
from abyssal_server.access.roles import is_open
from abyssal_server.calls import Calls
from abyssal_server.errors import InvalidRequest, RetryLater
from abyssal_server.observability import Observer
from abyssal_server.status import rich_status, row_of

logger = logging.getLogger(__name__)

REQUEST_ID = "x-request-id"
_REQUEST_ID_PATTERN = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_COUNTED_PREFIXES = ("/abyssal.inference.v1.Classification/", "/inference.GRPCInferenceService/ModelInfer")

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Context = grpc.aio.ServicerContext[Any, Any]

if TYPE_CHECKING:
    # Generic in the type stubs only.
    Interceptor = grpc.aio.ServerInterceptor[Any, Any]
else:
    Interceptor = grpc.aio.ServerInterceptor


class CallGuard(Interceptor):
    """Wraps every method but those that probes and tools call before they have a credential."""

    def __init__(self, calls: Calls, gate: Gate, observer: Observer) -> None:
        self._calls = calls
        self._gate = gate
        self._observer = observer

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Handler]], handler_call_details: grpc.HandlerCallDetails
    ) -> Handler:
        """Return the method's handler inside the guard; None for an unknown method, whatever the type stubs say."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or is_open(method):
            return handler
        if handler.request_streaming:
            behaviour = self._guarded_stream(handler.stream_stream, method)
            return grpc.stream_stream_rpc_method_handler(
                behaviour, _decoder(handler.request_deserializer), handler.response_serializer
            )
        return grpc.unary_unary_rpc_method_handler(
            self._guarded_unary(handler.unary_unary, method),
            _decoder(handler.request_deserializer),
            handler.response_serializer,
        )

    def _guarded_unary(self, behaviour: Any, method: str) -> Any:
        async def guarded(request: Any, context: Context) -> Any:
            async with self._around(method, context):
                return await behaviour(_readable(request), context)

        return guarded

    def _guarded_stream(self, behaviour: Any, method: str) -> Any:
        async def guarded(requests: Any, context: Context) -> None:
            async with self._around(method, context):
                await behaviour(_Readable(requests), context)

        return guarded

    @asynccontextmanager
    async def _around(self, method: str, context: Context) -> AsyncIterator[None]:
        request_id = _request_id(context)
        context.set_trailing_metadata(((REQUEST_ID, request_id),))
        metadata = tuple(context.invocation_metadata() or ())
        with self._observer.call(method, request_id, metadata) as observed:
            try:
                caller = self._gate.admit(method, metadata, context.peer())
                observed.client = caller.id
                CALLER.set(caller)
                with self._calls.entered() if method.startswith(_COUNTED_PREFIXES) else nullcontext():
                    yield
            except asyncio.CancelledError:
                observed.code = grpc.StatusCode.CANCELLED
                raise
            except AbyssalError as error:
                observed.code = row_of(error).grpc_code
                await _abort(context, error, request_id)
            except grpc.aio.AbortError:
                raise
            except grpc.aio.BaseError as error:
                # A write to a caller that is gone fails with ExecuteBatchError, not with CancelledError.
                observed.code = grpc.StatusCode.CANCELLED
                raise asyncio.CancelledError from error
            except Exception:
                logger.exception("%s failed", method)
                observed.code = grpc.StatusCode.INTERNAL
                await _abort(context, AbyssalError(f"internal error; quote request id {request_id}"), request_id)


class _Unreadable:
    """Stands for bytes that are no message of the method's kind."""


def _decoder(decode: Callable[[bytes], Any] | None) -> Callable[[bytes], Any] | None:
    """Return what decodes a request; gRPC answers an exception here with INTERNAL, before the guard sees the call."""

    if decode is None:
        return None

    def decoded(data: bytes) -> Any:
        try:
            return decode(data)
        except DecodeError:
            return _Unreadable()

    return decoded


def _readable(request: Any) -> Any:
    if isinstance(request, _Unreadable):
        message = "the bytes are no message of this method; were client and service made from the same proto?"
        raise InvalidRequest(message, field="")
    return request


class _Readable:
    """The requests of a stream; the first one that is no message ends it."""

    def __init__(self, requests: AsyncIterator[Any]) -> None:
        self._requests = aiter(requests)

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        return _readable(await anext(self._requests))


def _request_id(context: Context) -> str:
    for key, value in context.invocation_metadata() or ():
        if key == REQUEST_ID and isinstance(value, str) and _REQUEST_ID_PATTERN.fullmatch(value):
            return value
    return uuid.uuid4().hex


async def _abort(context: Context, error: AbyssalError, request_id: str) -> NoReturn:
    status = rpc_status.to_status(rich_status(error))
    trailers = [*(status.trailing_metadata or ()), (REQUEST_ID, request_id)]
    if isinstance(error, RetryLater):
        trailers.append(("grpc-retry-pushback-ms", str(int(error.retry_after * 1000))))
    await context.abort(status.code, status.details or "", tuple(trailers))
