"""The page at `/`: that the host runs, and on a developer's own machine what it serves and what should be mended."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from string import Template
from typing import TYPE_CHECKING

from ...triggers.descriptor import Problem
from ...triggers.http import HttpTrigger
from ..served_function import FunctionStatus, ServedFunction
from .caller import is_developers

if TYPE_CHECKING:
    from ..host import Host

_PAGE = Template("""\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>$title</title>
<style>
  :root {
    --ground: #f6f7f9; --card: #fff; --text: #1c2330; --soft: #5c6675; --line: #e1e5ea; --accent: #0b62c4;
    --good: #1a7f45; --wait: #94660a; --bad: #b3261e;
  }
  @media (prefers-color-scheme: dark) {
    :root {
      --ground: #12161c; --card: #1a2028; --text: #e3e8ef; --soft: #97a3b2; --line: #2b333e; --accent: #74b3f7;
      --good: #5cc98a; --wait: #e0b252; --bad: #f28b82;
    }
  }
  * { box-sizing: border-box; }
  body { margin: 0; background: var(--ground); color: var(--text); font: 15px/1.55 system-ui, sans-serif; }
  main { max-width: 62rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
  h1 { font-size: 1.7rem; margin: 0; letter-spacing: -0.01em; }
  h2 { font-size: 1.05rem; margin: 2.25rem 0 0.6rem; }
  p { margin: 0.35rem 0 0; }
  a { color: var(--accent); text-decoration: none; }
  a:hover { text-decoration: underline; }
  code, pre { font: 0.9em/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
  code { overflow-wrap: anywhere; }
  header { display: flex; flex-wrap: wrap; align-items: center; gap: 0.35rem 0.9rem; }
  .soft { color: var(--soft); }
  .state::before { content: ""; display: inline-block; width: 0.55em; height: 0.55em; border-radius: 50%;
    margin-right: 0.45em; background: currentColor; }
  .good { color: var(--good); } .wait { color: var(--wait); } .bad { color: var(--bad); }
  .card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; overflow-x: auto; }
  table { border-collapse: collapse; width: 100%; }
  th, td { padding: 0.55rem 1rem; text-align: left; vertical-align: top; border-top: 1px solid var(--line); }
  tr:first-child > * { border-top: 0; }
  th { font-weight: 600; }
  thead th { color: var(--soft); font-size: 0.8rem; font-weight: 500; padding: 0.45rem 1rem; }
  thead + tbody tr:first-child > * { border-top: 1px solid var(--line); }
  .methods { color: var(--soft); font-size: 0.78rem; margin-right: 0.5em; white-space: nowrap; }
  ul { list-style: none; margin: 0; padding: 0; }
  li { padding: 0.6rem 1rem; border-top: 1px solid var(--line); }
  li:first-child { border-top: 0; }
  pre { margin: 0; padding: 0.85rem 1rem; }
</style>
<main>
$content
</main>
</html>
""")

_RUNS = """\
<header><h1>funchost is running</h1></header>
<p class="soft">Functions answer at their own addresses.</p>"""

_OVERVIEW = Template("""\
<header><h1>$app</h1><span class="state $tone">$state</span></header>
<p class="soft">funchost $version is running the functions of <code>$root</code>.</p>
$problems
<h2>Functions</h2>
$functions
<h2>From a terminal</h2>
<div class="card"><pre>$commands</pre></div>
<p class="soft">For tools: <a href="/admin/functions">functions</a> and
<a href="/admin/host/status">status</a> as JSON. <code>AzureWebJobsDisableHomepage=true</code> removes this page.</p>""")

_TABLE = Template("""\
<div class="card"><table>
<thead><tr><th>Function</th><th>Trigger</th><th>Where</th><th>State</th></tr></thead>
<tbody>
$rows
</tbody>
</table></div>""")

_ROW = Template("""\
<tr><th scope="row">$name</th><td>$trigger</td><td>$where</td><td><span class="state $tone">$state</span>$error</td></tr>""")

_PROBLEMS = Template("""\
<h2>To be fixed</h2>
<ul class="card">
$items
</ul>""")

#: Parameters at a route's end that may be left out.
_OPTIONAL = re.compile(r"(/\{(\*[^{}]*|[^{}]*\?)\})+$")

_NOTHING = """\
<p>There are none yet. <code>funchost new hello --trigger http</code> makes one.</p>"""


def home_page(host: Host, headers: Mapping[str, str]) -> bytes:
    """The page as HTML, for a request with these headers. To all but a developer it tells nothing of the app."""
    if not is_developers(host.configuration, headers):
        page = _PAGE.substitute(title="funchost", content=_RUNS)
    else:
        name = host.configuration.root.name or "funchost"
        page = _PAGE.substitute(title=_text(f"{name} - funchost"), content=_overview(host, name))
    return page.encode("utf-8", "replace")


def _overview(host: Host, name: str) -> str:
    draining = host.availability.draining
    functions = [host.availability.explained(one) for one in host.functions.status()]
    return _OVERVIEW.substitute(
        app=_text(name),
        tone="wait" if draining else "good",
        state="Draining" if draining else _text(host.state),
        version=_text(host.version),
        root=_text(str(host.configuration.root)),
        problems=_problems(host.problems),
        functions=_table(host, functions) if functions else _NOTHING,
        commands=_text(_commands(host, functions)),
    )


def _table(host: Host, functions: list[FunctionStatus]) -> str:
    return _TABLE.substitute(rows="\n".join(_row(host, one) for one in functions))


def _row(host: Host, status: FunctionStatus) -> str:
    served = host.functions.get(status.name)
    error = f'<p class="soft">{_text(_first_line(status.errors[0]))}</p>' if status.errors else ""
    return _ROW.substitute(
        name=_text(status.name),
        trigger=_text(status.trigger.removesuffix("Trigger").replace("?", "")),
        where=_where(status, served, host.url),
        tone=_tone(status),
        state=_text(status.state.partition(":")[0] if status.errors else status.state),
        error=error,
    )


def _where(status: FunctionStatus, served: ServedFunction | None, url: str) -> str:
    """The place of a function: an address to click on where a browser's GET can reach it."""
    if served is None or not isinstance(served.trigger, HttpTrigger):
        return _text(status.where)
    route = served.trigger.route
    named = _text(" ".join(sorted(route.methods or ())))
    methods = f'<span class="methods">{named}</span>' if named else ""
    address = _text(f"{url}/{route.template.text}")
    target = _OPTIONAL.sub("", route.template.text)
    if "{" in target or (route.methods and "GET" not in route.methods):
        return f"{methods}<code>{address}</code>"
    return f'{methods}<a href="{_text(f"{url}/{target}")}">{address}</a>'


def _tone(status: FunctionStatus) -> str:
    if status.errors:
        return "bad"
    return "good" if status.state.startswith(("listening", "ready")) else "wait"


def _problems(problems: list[Problem]) -> str:
    return _PROBLEMS.substitute(items="\n".join(map(_problem, problems))) if problems else ""


def _problem(problem: Problem) -> str:
    place = ":".join(str(part) for part in (problem.file, problem.line) if part)
    about = " ".join(f"<code>{_text(part)}</code>" for part in (place, problem.key) if part)
    tone = "bad" if problem.severity == "error" else "wait"
    fix = f'<p class="soft">{_text(problem.fix)}</p>' if problem.fix else ""
    return f'<li><span class="{tone}">{_text(problem.severity)}</span> {_text(_first_line(problem.message))} {about}{fix}</li>'


def _commands(host: Host, functions: list[FunctionStatus]) -> str:
    """Commands that work as they stand in the app's folder."""
    name = next((one.name for one in functions if not one.errors), "hello")
    lines = [
        ("funchost list", "how the functions stand"),
        (f"funchost run {name} --data '{{}}'", "run one now, and see its result"),
        (f'curl -d \'{{"input": "{{}}"}}\' {host.url}/admin/functions/{name}', "begin one, as tools do"),
        ("funchost new another --trigger http", "write a first version of one more"),
    ]
    if any(one.trigger == "queueTrigger" for one in functions):
        lines.append(("funchost queues", "look into the queues, and send to them"))
    if any(one.trigger == "timerTrigger" for one in functions):
        lines.append(("funchost timers", "when timers run next"))
    width = max(len(command) for command, _ in lines)
    return "\n".join(f"{command:<{width}}   # {purpose}" for command, purpose in lines)


def _first_line(text: str) -> str:
    """Tracebacks are for the log."""
    return text.strip().split("\n", 1)[0]


def _text(value: str) -> str:
    return escape(value, quote=True)
