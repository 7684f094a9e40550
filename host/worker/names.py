"""The names of a function's parameters held against those of its bindings: each needs the other."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from typing import Any, get_origin

from .errors import LoadError
from .parameter import Binding, is_out

RETURN = "$return"

#: What decorators call the name of a binding where it is not `arg_name`.
_ARGUMENTS: Mapping[str, str] = {
    "httpTrigger": "trigger_arg_name",
    "orchestrationTrigger": "context_name",
    "entityTrigger": "context_name",
    "activityTrigger": "input_name",
    "durableClient": "client_name",
}


def parameters_of(call: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """What the function takes, all of it by name. Raises `LoadError`."""
    try:
        parameters = inspect.signature(call).parameters
    except (TypeError, ValueError) as error:
        raise LoadError(f"The parameters of the function cannot be read: {error}.") from None
    for parameter in parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            bare = parameter.replace(annotation=parameter.empty)
            raise LoadError(
                f"Parameter '{bare}' cannot be used: arguments are passed by name, one for each binding. Write "
                "out the parameters by name; if this is the wrapper of a decorator, put "
                "@functools.wraps(function) on it."
            )
    return dict(parameters)


def check_names(
    function: Mapping[str, Any],
    parameters: Mapping[str, inspect.Parameter],
    context: str | None,
    returns: Any,
) -> None:
    """See that each parameter has a binding, and each binding a parameter. Raises `LoadError`."""
    bindings = {binding["name"]: binding for binding in (function["trigger"], *function["bindings"])}
    free = {name: binding for name, binding in bindings.items() if name not in parameters and name != RETURN}
    unbound = [name for name in parameters if name not in bindings and name != context]
    if unbound:
        raise LoadError(_unbound(function, parameters, unbound, free))
    by_key = _returns_object(returns) and RETURN not in bindings
    for name, binding in free.items():
        if not (by_key and is_out(binding)):
            raise LoadError(f"Binding {name!r} ({binding['type']}) has no parameter. {_missing(binding)}")


def _unbound(
    function: Mapping[str, Any],
    parameters: Mapping[str, inspect.Parameter],
    unbound: list[str],
    free: Mapping[str, Binding],
) -> str:
    """What to do about parameters without a binding: mostly one of the two only has another name."""
    name, meant = _meant(function["trigger"]["name"], unbound, free)
    if meant is None:
        what = f"Parameter {', '.join(map(repr, unbound))} has no binding."
        argument = f'a decorator with arg_name="{unbound[0]}"'
        add = argument if function["decorated"] else "a binding with this name to function.json"
        spared = any(parameters[each].default is not inspect.Parameter.empty for each in unbound)
        why = ": on Azure every parameter needs a binding, also one with a default value" if spared else ""
        return f"{what} Add {add}, or remove the parameter{why}."
    what = "trigger" if meant is function["trigger"] else f"{meant['type']} {_side(meant)}"
    told = f"Parameter {name!r} has no binding; the {what} is called {meant['name']!r}"
    if not function["decorated"]:
        return f"{told} in function.json. Give both the same name."
    argument = _ARGUMENTS.get(meant["type"], "arg_name")
    return f'{told}. Rename the parameter, or write {argument}="{name}" in the decorator.'


def _meant(trigger: str, unbound: list[str], free: Mapping[str, Binding]) -> tuple[str, Binding | None]:
    """A parameter without a binding, and the binding without a parameter that it seems to stand for."""
    if trigger in free:
        return _nearest(trigger, unbound) or unbound[0], free[trigger]
    near = _nearest(unbound[0], free) or (next(iter(free)) if len(free) == 1 else None)
    return unbound[0], free[near] if near else None


def _missing(binding: Binding) -> str:
    name = binding["name"]
    if is_out(binding):
        return (
            f"Add `{name}: func.Out[str]`, or return a dict with the key {name!r} and say so with `-> dict`."
        )
    remedy = "" if binding["type"].endswith("Trigger") else ", or remove the binding"
    return f"Add the parameter {name!r} to the function{remedy}."


def _side(binding: Binding) -> str:
    return "output" if is_out(binding) else "input"


def _returns_object(returns: Any) -> bool:
    """Whether the annotation promises a dict, whose keys may then stand for outputs."""
    kind = get_origin(returns) or returns
    return isinstance(kind, type) and issubclass(kind, Mapping)


def _nearest(name: str, candidates: Collection[str]) -> str | None:
    return next(iter(get_close_matches(name, list(candidates), n=1)), None)
