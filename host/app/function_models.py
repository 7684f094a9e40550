"""The vocabulary of function.json around the fields of each binding type, which stand in `triggers.fields`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from ...triggers.fields import (
    BlobTriggerFields,
    FileTriggerFields,
    HttpTriggerFields,
    ManualTriggerFields,
    QueueTriggerFields,
    TimerTriggerFields,
    WarmupTriggerFields,
)
from ..config.checker import Field, fields_of_model, known_paths
from ..config.jsonc import KeyPath
from .policy import PolicyFields

#: The fields of the built-in triggers.
TRIGGER_FIELDS: Mapping[str, type[Struct]] = {
    "httpTrigger": HttpTriggerFields,
    "queueTrigger": QueueTriggerFields,
    "blobTrigger": BlobTriggerFields,
    "fileTrigger": FileTriggerFields,
    "timerTrigger": TimerTriggerFields,
    "manualTrigger": ManualTriggerFields,
    "warmupTrigger": WarmupTriggerFields,
}

#: The directions in which a binding that is no trigger can be used.
DIRECTIONS: Mapping[str, tuple[str, ...]] = {
    "http": ("out",),
    "queue": ("out",),
    "blob": ("in", "out"),
    "table": ("in", "out"),
}

#: What Azure knows and this host does not serve, in the spelling that azure.functions has for it.
NOT_SERVED = frozenset(
    [
        "activityTrigger",
        "apiHubFile",
        "apiHubFileTrigger",
        "assistantCreate",
        "assistantPost",
        "assistantQuery",
        "assistantSkillTrigger",
        "authenticationEventsTrigger",
        "bot",
        "connectorTrigger",
        "cosmosDB",
        "cosmosDBTrigger",
        "daprBinding",
        "daprBindingTrigger",
        "daprInvoke",
        "daprPublish",
        "daprSecret",
        "daprServiceInvocationTrigger",
        "daprState",
        "daprTopicTrigger",
        "documentDB",
        "durableClient",
        "embeddings",
        "embeddingsStore",
        "entityTrigger",
        "eventGrid",
        "eventGridTrigger",
        "eventHub",
        "eventHubTrigger",
        "excel",
        "kafka",
        "kafkaTrigger",
        "kusto",
        "mcpPromptTrigger",
        "mcpResourceTrigger",
        "mcpToolTrigger",
        "mobileTable",
        "mysql",
        "mysqlTrigger",
        "notificationHub",
        "oneDrive",
        "orchestrationClient",
        "orchestrationTrigger",
        "outlook",
        "rabbitMQ",
        "rabbitMQTrigger",
        "redis",
        "redisListTrigger",
        "redisPubSubTrigger",
        "redisStreamTrigger",
        "semanticSearch",
        "sendGrid",
        "serviceBus",
        "serviceBusTrigger",
        "signalR",
        "signalRConnectionInfo",
        "signalREndpoints",
        "signalRNegotiation",
        "signalRTrigger",
        "socketIO",
        "socketIONegotiation",
        "socketIOTrigger",
        "sql",
        "sqlTrigger",
        "textCompletion",
        "token",
        "twilioSms",
        "webPubSub",
        "webPubSubConnection",
        "webPubSubContext",
        "webPubSubTrigger",
    ]
)


class BindingCommon(Struct, frozen=True, kw_only=True):
    """What every binding has."""

    name: Annotated[str, Meta(description="The function's parameter, or $return.")]
    type: Annotated[str, Meta(description="Such as queueTrigger.")]
    direction: Annotated[Literal["in", "out", "inout"], Meta(description="A trigger is `in`.")] = "in"
    dataType: Annotated[
        Literal["undefined", "string", "binary", "stream"], Meta(description="What the function wants.")
    ] = "undefined"
    cardinality: Annotated[
        Literal["one", "many"],
        Meta(
            description="many: the function of a queueTrigger gets a list of messages, a blob input a list of blobs."
        ),
    ] = "one"


class FunctionJson(PolicyFields, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """function.json: one function, its trigger and its other bindings."""

    bindings: Annotated[list[Any], Meta(description="The trigger and the other bindings.")]
    scriptFile: Annotated[
        str | None, Meta(description="The script, relative to the function's folder; default: found there.")
    ] = None
    entryPoint: Annotated[str, Meta(min_length=1, description="The function in the script.")] = "main"
    disabled: Annotated[
        bool | str,
        Meta(description="Do not listen; true, or the name of a setting (Azure's v1; honoured here)."),
    ] = False
    configurationSource: Annotated[
        Literal["config", "attributes"], Meta(description="Accepted; only config can be served.")
    ] = "config"
    excluded: Annotated[bool, Meta(description="Accepted.")] = False
    generatedBy: Annotated[str | None, Meta(description="Accepted.")] = None
    originalEntryPoint: Annotated[str | None, Meta(description="Accepted.")] = field(
        default=None, name="_originalEntryPoint"
    )


def binding_fields(model: type[Struct]) -> tuple[Field, ...]:
    """All fields that a binding of this type may have, its policies as strictly typed as at the top level."""
    policies = {each.encode_name: each for each in fields_of_model(PolicyFields)}
    own = (policies.get(each.encode_name, each) for each in fields_of_model(model))
    return (*fields_of_model(BindingCommon), *own)


def function_paths(models: Mapping[int, type[Struct]]) -> list[KeyPath]:
    """All key paths of a function.json whose bindings, by their place in the list, have these models."""
    paths = known_paths(fields_of_model(FunctionJson))
    for index, model in models.items():
        paths += known_paths(binding_fields(model), ("bindings", index))
    return paths
