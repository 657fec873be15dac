# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reference pages of the command line and of its JSON, made from the code.

python -m longshore.cli.reference docs/reference
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
from pathlib import Path
from typing import Any, get_type_hints

import typer
from longshore.cli.app import app
from longshore.cli.options import Common
from longshore.runs import events, exit_code, result

_MADE = "<!-- Made by `python -m longshore.cli.reference docs/reference`; do not edit. -->"
_MEANINGS = {
    0: "done",
    1: "failed",
    2: "`plan` has changes",
    3: "bad input; nothing was touched",
    4: "done, degraded: a server was not reached",
    5: "locked by another run",
    130: "cancelled",
}
_CLI = """# The command line

{made}

```console
$ longshore plan              # what would change
$ longshore up                # make it so
$ longshore deploy web        # the fast way: one service, servers left alone
$ longshore status
```

The stack file is `stack.yml` here, or what `-f FILE` (before or behind the command) or `LONGSHORE_FILE` says.
`-e staging` or `LONGSHORE_ENVIRONMENT` lays `stack.staging.yml` over it. On a terminal a run is shown live; elsewhere
there is a line per step, and with `--json` a line of JSON per event, the last of which is the result
([events](events.md)).

Ctrl-C cancels: the servers are told, their work stops at the next safe point, every process is ended, the lock is given
back. A second Ctrl-C ends all at once; the lock then runs out within 60 seconds. What was begun is finished by running
the same command again.

Events and Ansible's own output of the last 20 runs are kept in `~/.local/state/longshore/runs/` (`XDG_STATE_HOME`),
readable for their owner alone; of `run` and `exec` nothing is kept. What is sent to servers to run there is made once
for each version, and kept in `~/.cache/longshore/payloads/` (`XDG_CACHE_HOME`).

## Exit codes

| code | meaning |
|---|---|
{codes}

`exec` gives the exit code of its command.

## Options of every command that runs something

{common}

## Commands
{commands}"""
_EVENTS = """# Events and results

{made}

What `--json` writes, one JSON object a line; `Run.events()` gives the same as objects of `longshore.runs`. Fields are
only ever added. Times are seconds since 1970, durations seconds.

```python
from longshore import Stack

stack = Stack.load("stack.yml")
with stack.start(stack.jobs.up()) as run:
    for event in run.events():
        print(event.to_dict())
print(run.wait().status)
```
{events}
## Objects within
{objects}"""


def pages() -> dict[str, str]:
    """The pages by their file names."""
    return {"cli.md": _cli(), "events.md": _events()}


def _cli() -> str:
    root: Any = typer.main.get_command(app)
    shared = {field.name for field in dataclasses.fields(Common)}
    parameters = {parameter.name: parameter for parameter in root.commands["up"].params}
    common = _table([parameters[name] for name in parameters if name in shared])
    codes = "\n".join(f"| {int(code)} | {_MEANINGS[int(code)]} |" for code in exit_code.ExitCode)
    commands = "".join(_command(name, command, shared) for name, command in root.commands.items())
    return _CLI.format(made=_MADE, codes=codes, common=common, commands=commands)


def _command(name: str, command: Any, shared: set[str]) -> str:
    if hasattr(command, "commands"):
        return "".join(_command(f"{name} {word}", inner, shared) for word, inner in command.commands.items())
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    own = [
        parameter
        for parameter in command.params
        if parameter.param_type_name == "option" and (parameter.name not in shared or name in _OWN)
    ]
    words = " ".join(f"[{word}]" if not one.required else word for one in arguments for word in [one.metavar or ""])
    text = inspect.cleandoc(command.help or "")
    parts = [f"\n### `longshore {name}{' ' if words else ''}{words}`", text, *([_table(own)] if own else [])]
    return "\n\n".join(parts) + "\n"


# They take few of the common options, or mean something else by the same name.
_OWN = ("exec", "logs", "validate")


def _table(parameters: list[Any]) -> str:
    rows = [f"| `{_option(one)}` | {one.help or ''}{_default(one)} |" for one in parameters]
    return "\n".join(["| option | meaning |", "|---|---|", *rows])


def _option(parameter: Any) -> str:
    words = ", ".join(sorted(parameter.opts, key=len))
    return words if parameter.is_flag or parameter.count else f"{words} {parameter.metavar or 'TEXT'}"


def _default(parameter: Any) -> str:
    default = parameter.default
    shown = default not in (None, False, "", 0) and not callable(default)
    return f" Default: {default}." if shown else ""


def _events() -> str:
    kinds = [
        kind
        for _name, kind in inspect.getmembers(events, inspect.isclass)
        if issubclass(kind, events.Event) and kind is not events.Event
    ]
    order = [name for name in vars(events) if inspect.isclass(vars(events)[name])]
    kinds.sort(key=lambda kind: order.index(kind.__name__))
    told = "".join(_kind(kind, f"`{kind.type}`") for kind in kinds)
    within = (result.Result, events.Place, events.Change, events.FieldChange, result.Failure, result.ServerChange)
    objects = "".join(_kind(kind, kind.__name__) for kind in (*within, result.Counters))
    return _EVENTS.format(made=_MADE, events=told, objects=objects)


def _kind(kind: Any, title: str) -> str:
    hints = get_type_hints(kind, localns={"Result": result.Result})
    rows = [
        f"| `{field.name}` | {_type(hints[field.name])} |"
        for field in dataclasses.fields(kind)
        if field.name != "time" and not (kind is events.RunFinished and field.name == "result")
    ]
    extra = ["| `exit_code` | int |"] if kind is result.Result else []
    also = "Fields: those of [Result](#result)." if kind is events.RunFinished else ""
    table = "\n".join(["| field | type |", "|---|---|", *rows, *extra]) if rows else also
    text = inspect.cleandoc(kind.__doc__ or "").replace("``", "`")
    return f"\n### {title}\n\n{text}\n\n{table}\n"


def _type(hint: Any) -> str:
    name = getattr(hint, "__name__", "") if not getattr(hint, "__args__", None) else ""
    text = (name or str(hint)).replace("typing.", "").replace("|", "or")
    for module in ("longshore.runs.events.", "longshore.runs.result."):
        text = text.replace(module, "")
    return text.removeprefix("Literal[").removesuffix("]").replace("', '", "' or '") if "Literal" in text else text


def main(directory: Path) -> None:
    """Write the pages."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (directory / name).write_text(text.rstrip("\n") + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
