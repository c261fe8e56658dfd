"""The resident models: where they come from, which one answers, and how they change without anybody noticing."""

from abyssal_server.models.loaded import LoadedModel
from abyssal_server.models.manager import ModelManager
from abyssal_server.models.resident import Residents
from abyssal_server.models.store import BundleStore, ModelStore

__all__ = ["BundleStore", "LoadedModel", "ModelManager", "ModelStore", "Residents"]
