"""Parameters and annotations held against bindings."""

from __future__ import annotations

import functools
import io
import typing
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Optional, Union

import azure.functions as func
import pytest

from funchost.host.worker.errors import LoadError
from funchost.host.worker.signature import Signature, examine


def trigger(type_: str = "queueTrigger", name: str = "msg") -> dict[str, str]:
    return {"type": type_, "name": name, "direction": "in"}


def out(type_: str, name: str = "$return") -> dict[str, str]:
    return {"type": type_, "name": name, "direction": "out"}


def check(
    call: Callable[..., Any], *bindings: dict[str, str], on: str = "queueTrigger", decorated: bool = False
) -> Signature:
    return examine({"trigger": trigger(on), "bindings": bindings, "decorated": decorated}, call)


def refusal(
    call: Callable[..., Any], *bindings: dict[str, str], on: str = "queueTrigger", decorated: bool = False
) -> str:
    with pytest.raises(LoadError) as caught:
        check(call, *bindings, on=on, decorated=decorated)
    return str(caught.value)


def annotated(annotation: Any) -> Callable[..., Any]:
    def main(msg): ...  # type: ignore[no-untyped-def]

    main.__annotations__ = {"msg": annotation}
    return main


def returning(annotation: Any) -> Callable[..., Any]:
    def main(msg): ...  # type: ignore[no-untyped-def]

    main.__annotations__ = {"return": annotation}
    return main


@dataclass
class Order:
    id: int
    lines: list[Order]


class Model:
    @classmethod
    def model_validate(cls, value: Any) -> Model:
        return cls()


class Row(typing.TypedDict):
    id: int


def test_parameters_are_sorted_by_what_they_stand_for() -> None:
    def main(msg: str, row: str, res: func.Out[str], context: func.Context) -> None: ...

    row = {"type": "blob", "name": "row", "direction": "in"}
    signature = check(main, row, out("queue", "res"))
    assert signature.trigger.name == "msg"
    assert [parameter.name for parameter in signature.inputs] == ["row"]
    assert [parameter.name for parameter in signature.outputs] == ["res"]
    assert signature.context == "context"


@pytest.mark.parametrize("annotation", [int, 5, Optional[func.Context], func.HttpRequest])  # noqa: UP045
def test_no_other_type_is_the_context(annotation: Any) -> None:
    def main(msg, context): ...  # type: ignore[no-untyped-def]

    main.__annotations__ = {"context": annotation}
    assert "annotate it as func.Context" in refusal(main)


def test_a_context_of_ones_own_is_known_by_its_name() -> None:
    class Context: ...

    def main(msg, context): ...  # type: ignore[no-untyped-def]

    main.__annotations__ = {"context": Context}
    assert check(main).context == "context"


def test_a_binding_may_be_called_context() -> None:
    def main(context: str) -> None: ...

    signature = examine({"trigger": trigger(name="context"), "bindings": []}, main)
    assert signature.context is None
    assert signature.trigger.name == "context"


def test_the_context_is_annotated_as_such_or_not_at_all() -> None:
    def main(msg: str, context: dict[str, str]) -> None: ...

    def plain(msg, context): ...  # type: ignore[no-untyped-def]

    assert "annotate it as func.Context" in refusal(main)
    assert check(plain).context == "context"


def test_a_parameter_without_a_binding_is_refused() -> None:
    def main(msg: str, extra: str = "default") -> None: ...

    def other(msg: str, extra: str) -> None: ...

    what = "Parameter 'extra' has no binding. Add a binding with this name to function.json, or remove the parameter"
    assert (
        refusal(main) == f"{what}: on Azure every parameter needs a binding, also one with a default value."
    )
    assert refusal(other) == f"{what}."


def test_a_parameter_with_another_name_than_its_binding_is_told_what_that_is_called() -> None:
    def misspelt(mgs: str) -> None: ...

    def other(msg: str, result: func.Out[str]) -> None: ...

    assert refusal(misspelt) == (
        "Parameter 'mgs' has no binding; the trigger is called 'msg' in function.json. Give both the same name."
    )
    assert refusal(other, out("queue", "outgoing"), out("queue")) == (
        "Parameter 'result' has no binding; the queue output is called 'outgoing' in function.json. "
        "Give both the same name."
    )


@pytest.mark.parametrize(
    ("kind", "argument"),
    [
        ("httpTrigger", "trigger_arg_name"),
        ("queueTrigger", "arg_name"),
        ("activityTrigger", "input_name"),
        ("orchestrationTrigger", "context_name"),
    ],
)
def test_a_decorated_function_is_told_the_argument_that_names_its_binding(kind: str, argument: str) -> None:
    def main(request): ...  # type: ignore[no-untyped-def]

    def more(msg, spam): ...  # type: ignore[no-untyped-def]

    assert refusal(main, on=kind, decorated=True) == (
        "Parameter 'request' has no binding; the trigger is called 'msg'. Rename the parameter, or write "
        f'{argument}="request" in the decorator.'
    )
    assert refusal(more, on=kind, decorated=True) == (
        "Parameter 'spam' has no binding. Add a decorator with arg_name=\"spam\", or remove the parameter."
    )


def test_a_trigger_without_a_parameter_is_refused() -> None:
    def main() -> None: ...

    assert "Binding 'msg' (queueTrigger) has no parameter. Add the parameter 'msg'" in refusal(main)


def test_an_output_without_a_parameter_is_refused() -> None:
    def main(msg: str) -> None: ...

    message = refusal(main, out("queue", "other"))
    assert "Binding 'other' (queue) has no parameter." in message
    assert "func.Out[str]" in message


def test_an_output_needs_no_parameter_when_a_dict_is_returned() -> None:
    def main(msg: str) -> dict[str, str]:
        return {}

    assert check(main, out("queue", "other")).outputs == ()
    assert "'other'" in refusal(main, out("queue", "other"), out("queue"))
    assert "'row'" in refusal(main, {"type": "blob", "name": "row", "direction": "in"})


@pytest.mark.parametrize("call", [lambda msg, *rest: 0, lambda msg, **rest: 0, lambda msg, /: 0])
def test_parameters_that_cannot_be_passed_by_name_are_refused(call: Callable[..., Any]) -> None:
    assert "arguments are passed by name" in refusal(call)


def test_a_binding_in_both_directions_is_refused() -> None:
    def main(msg: str, both: str) -> None: ...

    both = {"type": "blob", "name": "both", "direction": "inout"}
    assert "Binding 'both' has the direction 'inout'" in refusal(main, both)


def test_the_returned_value_is_an_output() -> None:
    def main(msg: str) -> None: ...

    binding = {"type": "queue", "name": "$return", "direction": "in"}
    assert "set its direction to out" in refusal(main, binding)


def test_an_annotation_that_names_nothing_is_refused() -> None:
    def main(msg: Missing) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    message = refusal(main)
    assert "name 'Missing' is not defined" in message
    assert "TYPE_CHECKING" in message


@pytest.mark.parametrize(
    "annotation",
    [
        str,
        bytes,
        dict,
        list,
        int,
        float,
        bool,
        dict[str, Any],
        list[Order],
        typing.List[str],  # noqa: UP006
        Mapping[str, int],
        Order,
        Model,
        Row,
        BinaryIO,
        typing.IO[bytes],
        io.BufferedIOBase,
        io.RawIOBase,
        Any,
        object,
        Optional[str],  # noqa: UP045
        bytes | None,
        Order | None,
        typing.Annotated[str, "note"],
        func.QueueMessage,
    ],
)
def test_plain_and_fitting_types_are_taken(annotation: Any) -> None:
    assert check(annotated(annotation)).trigger.name == "msg"


@pytest.mark.parametrize(
    "annotation",
    [
        123,
        [str],
        Union[str, bytes],  # noqa: UP007
        str | int | None,
        set,
        object(),
        typing.TypeVar("T"),
        func.Out[str],
        func.HttpRequest,
        func.TimerRequest,
        list[func.QueueMessage],
        typing.List[func.QueueMessage],  # noqa: UP006
        complex,
        typing.TextIO,
        AsyncIterator[str],
    ],
)
def test_other_types_are_refused(annotation: Any) -> None:
    refusal(annotated(annotation))


@pytest.mark.parametrize(
    "annotation",
    [
        Optional[func.QueueMessage],  # noqa: UP045
        func.QueueMessage | None,
        Union[func.QueueMessage, str],  # noqa: UP007
        str | typing.List[func.QueueMessage],  # noqa: UP006
    ],
)
def test_a_class_of_the_package_stands_alone_everywhere(annotation: Any) -> None:
    def main(msg, res): ...  # type: ignore[no-untyped-def]

    main.__annotations__ = {"res": func.Out[annotation]}
    for message in (
        refusal(annotated(annotation)),
        refusal(main, out("queue", "res")),
        refusal(returning(annotation), out("queue")),
    ):
        assert (
            "on Azure a class of azure.functions or of an extension cannot be part of Optional, Union or |"
            in message
        )


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (func.HttpResponse, "func.HttpResponse"),
        (list[func.HttpResponse], "list[func.HttpResponse]"),
        (typing.Dict[str, func.Context], "Dict[str, func.Context]"),  # noqa: UP006
        (typing.Literal["a.b"], "Literal['a.b']"),
        (tuple[Order, ...], "tuple[Order, ...]"),
        (None, "None"),
    ],
)
def test_a_type_is_shown_as_people_write_it(annotation: Any, text: str) -> None:
    assert f" cannot be {text}." in refusal(annotated(annotation), on="timerTrigger")


def test_a_refused_type_is_told_with_what_is_possible() -> None:
    message = refusal(annotated(set))
    assert message.startswith(
        "Parameter 'msg' (queueTrigger) cannot be set. It can be func.QueueMessage, str, bytes"
    )


@pytest.mark.parametrize(
    ("on", "annotation"),
    [
        ("httpTrigger", func.HttpRequest),
        ("blobTrigger", func.InputStream),
        ("fileTrigger", func.InputStream),
        ("timerTrigger", func.TimerRequest),
    ],
)
def test_each_trigger_takes_its_own_rich_type_only(on: str, annotation: Any) -> None:
    assert check(annotated(annotation), on=on)
    refusal(annotated(func.QueueMessage), on=on)
    refusal(annotated(annotation), on="manualTrigger")


def test_out_is_for_outputs_only_and_outputs_are_out() -> None:
    def wrong(msg: str, res: str) -> None: ...

    assert "annotate it as func.Out[str]" in refusal(wrong, out("queue", "res"))
    assert "Out is for outputs only" in refusal(annotated(func.Out[str]))


def test_out_says_what_it_takes() -> None:
    def main(msg: str, res: func.Out) -> None: ...  # type: ignore[type-arg]

    assert "say what it takes" in refusal(main, out("queue", "res"))


def test_an_out_of_ones_own_is_known_by_its_name() -> None:
    T = typing.TypeVar("T")

    class Out(typing.Generic[T]): ...

    def main(msg, res): ...  # type: ignore[no-untyped-def]

    main.__annotations__ = {"res": Out[str]}
    assert check(main, out("queue", "res")).outputs[0].annotation is str


def test_an_output_without_annotation_is_fine() -> None:
    def main(msg, res): ...  # type: ignore[no-untyped-def]

    assert check(main, out("queue", "res")).outputs[0].name == "res"


@pytest.mark.parametrize(
    ("type_", "annotation"),
    [
        ("queue", func.QueueMessage),
        ("queue", list[str]),
        ("queue", typing.List[func.QueueMessage]),  # noqa: UP006
        ("queue", dict),
        ("queue", Iterator[str]),
        ("queue", Any),
        ("blob", bytes),
        ("blob", bytearray),
        ("blob", BinaryIO),
        ("blob", func.InputStream),
        ("blob", Order),
        ("http", func.HttpResponse),
        ("http", dict[str, Any]),
        ("http", Iterator[bytes]),
        ("table", str),
        ("table", int),
    ],
)
def test_an_output_takes_what_it_can_carry(type_: str, annotation: Any) -> None:
    def main(msg, res): ...  # type: ignore[no-untyped-def]

    main.__annotations__ = {"res": func.Out[annotation]}
    assert check(main, out(type_, "res"))
    assert check(returning(annotation), out(type_))


@pytest.mark.parametrize(
    ("type_", "annotation"),
    [
        ("queue", int),
        ("queue", func.HttpResponse),
        ("blob", int),
        ("blob", func.QueueMessage),
        ("http", int),
        ("http", bytes),
        ("http", func.HttpRequest),
        ("http", list[func.HttpResponse]),
        ("http", func.QueueMessage),
        ("http", tuple[str, int]),
        ("http", set),
        ("table", func.QueueMessage),
        ("queue", 5),
    ],
)
def test_an_output_refuses_what_it_cannot_carry(type_: str, annotation: Any) -> None:
    def main(msg, res): ...  # type: ignore[no-untyped-def]

    main.__annotations__ = {"res": func.Out[annotation]}
    assert "Parameter 'res'" in refusal(main, out(type_, "res"))
    assert "Change the annotation" in refusal(returning(annotation), out(type_))


def test_a_return_annotation_counts_only_with_a_binding_for_it() -> None:
    def main(msg: str) -> None: ...

    check(main)
    for type_ in ("http", "queue", "blob"):
        assert "which cannot take None" in refusal(main, out(type_))


@pytest.mark.parametrize(
    "annotation",
    [
        str | None,
        dict[str, Any],
        list[int],
        Order,
        Model,
        Iterator[str],
        Generator[bytes, None, None],
        AsyncIterator[bytes],
        typing.Iterable[str],
    ],
)
def test_http_answers_with_more_than_text(annotation: Any) -> None:
    assert check(returning(annotation), out("http"), on="httpTrigger")


def test_raw_bytes_are_a_response_of_plain_functions_only() -> None:
    def plain(msg: bytes) -> bytes:
        return msg

    def azure(msg: func.HttpRequest) -> bytes:
        return msg.get_body()

    assert check(plain, out("http"), on="httpTrigger")
    for call in (azure, returning(bytes)):
        assert "which cannot take bytes. It takes func.HttpResponse or str" in refusal(
            call, out("http"), on="httpTrigger"
        )


def test_streams_are_handed_over_as_they_arrive() -> None:
    def file(msg: BinaryIO) -> None: ...

    async def chunks(msg: AsyncIterator[bytes]) -> None: ...

    def whole(msg: bytes) -> None: ...

    assert check(file, on="httpTrigger").needs_stream
    assert check(chunks, on="httpTrigger").needs_stream
    assert not check(whole, on="httpTrigger").needs_stream


def test_a_stream_must_suit_the_kind_of_function() -> None:
    async def file(msg: BinaryIO) -> None: ...

    def chunks(msg: AsyncIterator[bytes]) -> None: ...

    assert "annotate it as asynciterator[bytes]" in refusal(file).lower()
    assert "only an async function" in refusal(chunks)


def test_a_generator_can_only_answer_http_or_feed_a_queue() -> None:
    def generator(msg: str):  # type: ignore[no-untyped-def]
        yield "a"

    async def asynchronous(msg: str):  # type: ignore[no-untyped-def]
        yield "a"

    assert "calling it would run nothing" in refusal(generator)
    assert "calling it would run nothing" in refusal(generator, on="manualTrigger")
    assert "calling it would run nothing" in refusal(asynchronous, out("queue"))
    assert check(generator, out("queue"))
    assert not check(generator, out("http"), on="httpTrigger").asynchronous
    assert check(asynchronous, on="httpTrigger").asynchronous


def test_wrapped_partial_and_callable_entry_points_are_seen_through() -> None:
    def main(msg: dict[str, Any], times: int) -> None: ...

    def inner(msg: bytes) -> None: ...

    @functools.wraps(inner)
    def wrapper(*args: Any, **kwargs: Any) -> None: ...

    class Callable_:
        def __call__(self, msg: bytes) -> None: ...

    assert check(wrapper).trigger.annotation is bytes
    assert check(Callable_()).trigger.annotation is bytes
    partial = functools.partial(main, times=2)
    assert "'times'" in refusal(partial)


def test_a_decorator_that_hides_the_parameters_is_told() -> None:
    def inner(msg: bytes) -> None: ...

    def wrapper(*args: Any, **kwargs: Any) -> None:
        inner(*args, **kwargs)

    assert "put @functools.wraps(function) on it" in refusal(wrapper)


def test_methods_are_entry_points_too() -> None:
    class Handler:
        def bound(self, msg: bytes) -> None: ...

        @staticmethod
        def static(msg: bytes) -> None: ...

        @classmethod
        def of_class(cls, msg: bytes) -> None: ...

    for call in (Handler().bound, Handler.static, vars(Handler)["static"], Handler.of_class):
        assert check(call).trigger.annotation is bytes


async def test_an_async_function_behind_an_object_counts_as_plain_as_in_azure() -> None:
    class Callable_:
        async def __call__(self, msg: bytes) -> None: ...

    async def main(msg: bytes) -> None: ...

    @functools.wraps(main)
    def wrapper(msg: bytes) -> Any: ...

    assert not check(Callable_()).asynchronous
    assert not check(wrapper).asynchronous
    assert check(functools.partial(main)).asynchronous


def test_a_blob_outside_of_the_embedded_store_is_for_clients_only() -> None:
    def main(msg, row): ...  # type: ignore[no-untyped-def]

    row = {"type": "blob", "name": "row", "direction": "in", "storage": "azure"}
    for annotation in (func.InputStream, bytes, dict):
        main.__annotations__ = {"row": annotation}
        assert "annotate it as BlobClient" in refusal(main, row)


@pytest.mark.parametrize(
    ("on", "annotation"),
    [
        ("warmupTrigger", func.warmup.WarmUpContext),
        ("warmupTrigger", func.Context),
        ("serviceBusTrigger", func.ServiceBusMessage),
        ("serviceBusTrigger", typing.List[func.ServiceBusMessage]),  # noqa: UP006
        ("eventHubTrigger", list[func.EventHubEvent]),
        ("eventGridTrigger", func.EventGridEvent),
        ("cosmosDBTrigger", func.DocumentList),
        ("kafkaTrigger", func.KafkaEvent),
        ("sqlTrigger", str),
        ("activityTrigger", int),
        ("activityTrigger", set),
        ("orchestrationTrigger", func.OrchestrationContext),
        ("mcpToolTrigger", func.MCPToolContext),
        ("durableClient", str),
        ("eventHubTrigger", dict),
        ("sqlTrigger", list),
        ("unheardTrigger", bytes),
    ],
)
def test_types_that_are_not_served_take_what_their_converter_takes_and_plain_types(
    on: str, annotation: Any
) -> None:
    assert check(annotated(annotation), on=on)


@pytest.mark.parametrize(
    ("on", "annotation"),
    [
        ("serviceBusTrigger", func.EventHubEvent),
        ("serviceBusTrigger", Optional[func.ServiceBusMessage]),  # noqa: UP045
        ("eventGridTrigger", typing.List[func.EventGridEvent]),  # noqa: UP006
        ("eventGridTrigger", func.Context),
        ("cosmosDBTrigger", func.Document),
        ("activityTrigger", 5),
        ("orchestrationTrigger", set),
        ("unheardTrigger", func.QueueMessage),
        ("durableClient", func.HttpRequest),
    ],
)
def test_types_that_are_not_served_refuse_what_their_converter_refuses(on: str, annotation: Any) -> None:
    refusal(annotated(annotation), on=on)


@pytest.mark.parametrize(
    ("type_", "annotation", "fits"),
    [
        ("eventHub", typing.List[str], True),  # noqa: UP006
        ("eventGrid", typing.List[func.EventGridOutputEvent], True),  # noqa: UP006
        ("eventGrid", list[func.EventGridOutputEvent], True),
        ("cosmosDB", func.DocumentList, True),
        ("cosmosDB", func.HttpResponse, False),
        ("sendGrid", str, True),
        ("sendGrid", bytearray, True),
        ("sendGrid", func.QueueMessage, False),
        ("sendGrid", type(None), False),
    ],
)
def test_outputs_that_are_not_served_are_checked_by_their_converter(
    type_: str, annotation: Any, fits: bool
) -> None:
    call = returning(annotation)
    if fits:
        assert check(call, out(type_))
    else:
        refusal(call, out(type_))


def test_postponed_annotations_are_resolved() -> None:
    def main(msg: bytes) -> None: ...

    assert check(main).trigger.annotation is bytes


def test_a_callable_whose_parameters_cannot_be_read_is_refused() -> None:
    assert "cannot be read" in refusal(min)
