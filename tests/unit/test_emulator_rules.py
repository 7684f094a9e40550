"""The notification rules of a bucket at the emulator: each queue is told of each key once."""

from __future__ import annotations

from typing import Any

from funchost.host.emulator.provision import with_rule

QUEUE, OTHER = "arn:aws:sqs:us-east-1:1:news", "arn:aws:sqs:us-east-1:1:other"


def told(rules: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Names and prefixes."""
    return [
        (
            rule["Id"],
            rule.get("Filter", {"Key": {"FilterRules": [{"Value": ""}]}})["Key"]["FilterRules"][0]["Value"],
        )
        for rule in rules
    ]


def test_a_rule_is_added_beside_those_of_others() -> None:
    theirs = {"Id": "theirs", "QueueArn": OTHER, "Events": ["s3:ObjectCreated:*"]}
    assert told(with_rule([theirs], "funchost-a", QUEUE, "in/")) == [("theirs", ""), ("funchost-a", "in/")]


def test_what_another_rule_tells_already_is_not_told_twice() -> None:
    rules = with_rule([], "funchost-a", QUEUE, "in/")
    assert told(with_rule(rules, "funchost-b", QUEUE, "in/new/")) == [("funchost-a", "in/")]


def test_a_wider_rule_takes_the_place_of_narrower_ones() -> None:
    rules = with_rule([], "funchost-a", QUEUE, "in/")
    assert told(with_rule(rules, "funchost-b", QUEUE, "")) == [("funchost-b", "")]


def test_a_rule_of_somebody_else_does_not_give_way() -> None:
    theirs = with_rule([], "theirs", QUEUE, "in/")
    assert told(with_rule(theirs, "funchost-a", QUEUE, "")) == [("theirs", "in/"), ("funchost-a", "")]


def test_a_rule_that_tells_less_does_not_count() -> None:
    [rule] = with_rule([], "theirs", QUEUE, "in/")
    suffix = {
        "Key": {"FilterRules": [*rule["Filter"]["Key"]["FilterRules"], {"Name": "suffix", "Value": ".txt"}]}
    }
    for theirs in ({**rule, "Filter": suffix}, {**rule, "Events": ["s3:ObjectRemoved:*"]}):
        assert len(with_rule([theirs], "funchost-a", QUEUE, "in/")) == 2


def test_a_function_whose_path_changed_has_its_new_rule_only() -> None:
    rules = with_rule([], "funchost-a", QUEUE, "old/")
    assert told(with_rule(rules, "funchost-a", QUEUE, "new/")) == [("funchost-a", "new/")]
    assert told(with_rule(rules, "funchost-a", OTHER, "old/")) == [("funchost-a", "old/")]
