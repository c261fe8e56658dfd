"""``abyssal.inference.v1.ModelAdmin``: changes of what this process serves."""

from __future__ import annotations

from abyssal.inference.v1 import admin_pb2, admin_pb2_grpc
from abyssal_server.errors import InvalidRequest
from abyssal_server.parts import ServiceParts

_LONGEST_LOCATION = 1024


class ModelAdminService(admin_pb2_grpc.ModelAdminServicer):
    """The gate has looked at the caller's credential before a method is called."""

    def __init__(self, parts: ServiceParts) -> None:
        self._manager = parts.manager
        self._parts = parts

    async def LoadModel(self, request: admin_pb2.LoadModelRequest, context: object) -> admin_pb2.LoadModelResponse:
        """Load a bundle beside the others."""
        if not 0 < len(request.location) <= _LONGEST_LOCATION or not request.location.isprintable():
            message = "expected a bundle's directory or REGISTRY/NAME@VERSION-OR-LABEL, in printable letters"
            raise InvalidRequest(message, field="location")
        return admin_pb2.LoadModelResponse(state=await self._manager.load(request.location, activate=request.activate))

    async def ActivateModel(
        self, request: admin_pb2.ActivateModelRequest, context: object
    ) -> admin_pb2.ActivateModelResponse:
        """Let a resident model answer to its name."""
        state = await self._manager.activate(request.digest, request.expected_digest)
        return admin_pb2.ActivateModelResponse(state=state)

    async def RollbackModel(
        self, request: admin_pb2.RollbackModelRequest, context: object
    ) -> admin_pb2.RollbackModelResponse:
        """Let the previous model of a name answer again."""
        state = await self._manager.rollback(request.name, request.expected_digest)
        return admin_pb2.RollbackModelResponse(state=state)

    async def UnloadModel(
        self, request: admin_pb2.UnloadModelRequest, context: object
    ) -> admin_pb2.UnloadModelResponse:
        """Let a model go."""
        return admin_pb2.UnloadModelResponse(state=await self._manager.unload(request.digest))

    async def Refresh(self, request: admin_pb2.RefreshRequest, context: object) -> admin_pb2.RefreshResponse:
        """Follow the registry."""
        return admin_pb2.RefreshResponse(states=await self._manager.refresh())

    async def ListModelStates(
        self, request: admin_pb2.ListModelStatesRequest, context: object
    ) -> admin_pb2.ListModelStatesResponse:
        """Say what every model is doing."""
        return admin_pb2.ListModelStatesResponse(states=self._manager.states())

    async def GetStatus(self, request: admin_pb2.GetStatusRequest, context: object) -> admin_pb2.GetStatusResponse:
        """Say how the parts are that inference can do without."""
        return admin_pb2.GetStatusResponse(
            components=self._parts.components(),
            queued_letters=self._parts.engine.room.used,
            calls=self._parts.calls.active,
        )
