"""Clients of the storage SDK as inputs: BlobClient, ContainerClient and StorageStreamDownloader.

The package azurefunctions-extensions-bindings-blob makes them, of the names of connection, container and blob. They
speak to the storage for themselves, so it has to be one that speaks Azure's Blob protocol.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .converters import is_type, shown
from .errors import BindError, LoadError, describe
from .values_azure import Build

_EXTENSION = "azurefunctions.extensions.base"


@dataclass(frozen=True, slots=True)
class _ModelBindingData:
    """What the extension reads: where something is, and not what is in it."""

    #: JSON with Connection (the name of an app setting), ContainerName and BlobName.
    content: bytes
    version: str = "1.0"
    source: str = "AzureStorageBlobs"
    content_type: str = "application/json"


def is_sdk_type(annotation: Any) -> bool:
    """Whether the annotation is a client that an extension makes; false while no extension is imported."""
    registry = _registry()
    return bool(registry and is_type(annotation) and registry.check_supported_type(annotation))


def check(binding_type: str, storage: str, annotation: Any, where: str) -> None:
    """See that such a client can be made. Raises `LoadError`."""
    converter = _registry().get(binding_type)
    if not isinstance(annotation, type):
        raise LoadError(f"{where} cannot be {shown(annotation)}: a parameter is one client.")
    if not (converter and converter.check_input_type_annotation(annotation)):
        raise LoadError(f"{where} cannot be {annotation.__name__}: that is for blobs only.")
    if storage != "azure":
        raise LoadError(
            f"{where} cannot be {annotation.__name__}: that client speaks to a Blob endpoint of Azure, and its "
            "connection leads to none. Annotate it as func.InputStream or bytes, or name a connection that leads "
            "to a Blob endpoint."
        )


def builder(binding_type: str, annotation: type, where: str) -> Build:
    """What makes the client, once `check` has passed; the content says where the blob is."""
    converter = _registry().get(binding_type)
    datum = sys.modules[_EXTENSION].Datum

    def build(header: Mapping[str, Any], content: bytes) -> Any:
        place = datum(_ModelBindingData(content), "model_binding_data")
        try:
            return converter.decode(place, trigger_metadata={}, pytype=annotation)
        except Exception as error:
            raise BindError(f"{where} cannot be made: {describe(error)}") from error

    return build


def _registry() -> Any:
    extension = sys.modules.get(_EXTENSION)
    return extension.get_binding_registry() if extension else None
