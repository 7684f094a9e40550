from typing import Any

import pytest

from funchost.host.app.function_models import TRIGGER_FIELDS
from funchost.host.app.schemas import files, function_schema, host_schema
from funchost.triggers.fields import BINDING_FIELDS


@pytest.mark.parametrize(("path", "text"), files().items(), ids=lambda value: getattr(value, "name", ""))
def test_the_shipped_schemas_are_those_of_the_models(path: Any, text: str) -> None:
    assert path.read_text(encoding="utf-8") == text, "run: python -m funchost.host.app.schemas"


def test_every_binding_type_has_its_schema() -> None:
    schema = function_schema()
    kinds = {**TRIGGER_FIELDS, **BINDING_FIELDS}
    items = schema["properties"]["bindings"]["items"]["anyOf"]
    assert [each["$ref"] for each in items] == [f"#/definitions/{kind}" for kind in kinds]
    queue = schema["definitions"]["queueTrigger"]
    assert queue["required"] == ["type", "name", "queueName"]
    assert {"queueName", "connection", "retry", "dataType"} <= queue["properties"].keys()
    assert queue["properties"]["retry"] == schema["properties"]["retry"]
    assert schema["definitions"]["queue"]["properties"]["direction"] == {"enum": ["out"]}


def test_durations_are_time_spans_in_the_schemas() -> None:
    schema = host_schema()
    assert schema["properties"]["functionTimeout"]["default"] == "00:30:00"
    assert schema["definitions"]["SingletonOptions"]["properties"]["lockPeriod"]["default"] == "00:00:15"
    assert '"duration"' not in str(schema)


def references(schema: Any) -> set[str]:
    if isinstance(schema, list):
        return set().union(*map(references, schema))
    if not isinstance(schema, dict):
        return set()
    own = {schema["$ref"]} if "$ref" in schema else set()
    return own.union(*map(references, schema.values()))


@pytest.mark.parametrize("schema", [function_schema(), host_schema()], ids=["function", "host"])
def test_every_reference_in_a_schema_leads_somewhere(schema: dict[str, Any]) -> None:
    assert references(schema) <= {f"#/definitions/{name}" for name in schema["definitions"]}


def test_a_schema_may_name_its_schema() -> None:
    assert "$schema" in host_schema()["properties"]
    assert "$schema" in function_schema()["properties"]
