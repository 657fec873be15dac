# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that many commands share: declared once, handed over as one object."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

if TYPE_CHECKING:
    from longshore.stack import Stack

DEFAULT_FILE = "stack.yml"
# As the inventory plugin reads it, so that `ansible-playbook` and `longshore` mean the same.
ENVIRONMENT = "LONGSHORE_ENVIRONMENT"
_FILE_HELP = "The stack file. Default: LONGSHORE_FILE, else stack.yml."

File = Annotated[
    Path | None,
    typer.Option("--file", "-f", metavar="FILE", help=_FILE_HELP),
]
# `longshore logs -f` follows, as it does everywhere else.
LongFile = Annotated[
    Path | None,
    typer.Option("--file", metavar="FILE", help=_FILE_HELP),
]
Environment = Annotated[
    str | None,
    typer.Option(
        "--environment",
        "-e",
        metavar="ENV",
        help="Lay FILE's overlay of this name over it (stack.ENV.yml). Default: LONGSHORE_ENVIRONMENT.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="JSON lines: the events, then the result.")]


@dataclass(frozen=True, kw_only=True)
class Source:
    """Which stack file is meant."""

    file: File = None
    environment: Environment = None

    def load(self) -> Stack:
        """The stack. Raises what ``Stack.load`` raises."""
        from longshore.stack import Stack  # noqa: PLC0415 - pydantic only when a file is read

        return Stack.load(self.path(), self.overlay())

    def path(self) -> Path:
        """The stack file: of the command, else of ``longshore -f FILE COMMAND``, else LONGSHORE_FILE, ``stack.yml``."""
        return self.file or _outer.get().file or Path(os.environ.get("LONGSHORE_FILE") or DEFAULT_FILE)

    def overlay(self) -> str | None:
        """The environment whose overlay is used, given in the same places, else by LONGSHORE_ENVIRONMENT."""
        # Not the option's own envvar: it would win over what stands before the command's name.
        return self.environment or _outer.get().environment or os.environ.get(ENVIRONMENT) or None


_outer: ContextVar[Source] = ContextVar("_outer", default=Source())  # noqa: B039 - frozen


@dataclass(frozen=True, kw_only=True)
class LogSource(Source):
    """As ``Source``, without ``-f``."""

    file: LongFile = None


@dataclass(frozen=True, kw_only=True)
class Common(Source):
    """What every command that runs a playbook takes."""

    as_json: Json = False
    verbosity: Annotated[
        int, typer.Option("--verbose", "-v", count=True, help="Show what changed; -vv and more: what Ansible says.")
    ] = 0
    diff: Annotated[bool, typer.Option("--diff", help="Show the differences of files and services.")] = False
    forks: Annotated[int, typer.Option("--forks", min=1, metavar="N", help="Servers worked on at the same time.")] = 20
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Kept with the release and the lock.")] = ""
    vault_password_file: Annotated[
        Path | None,
        typer.Option("--vault-password-file", metavar="FILE", help="For values that are encrypted with Ansible Vault."),
    ] = None

    def load(self) -> Stack:
        """The stack, with these options."""
        return (
            super()
            .load()
            .with_options(
                verbosity=max(0, self.verbosity - 1),
                diff=self.diff,
                forks=self.forks,
                reason=self.reason,
                vault_password_file=self.vault_password_file,
            )
        )


def shared(function: Callable[..., None]) -> Callable[..., None]:
    """Let typer see the fields of the parameter ``options`` (a dataclass of this module) as options of their own."""
    hints = get_type_hints(function, include_extras=True)
    kind: Any = hints.pop("options")
    theirs = get_type_hints(kind, include_extras=True)
    names = [entry.name for entry in fields(kind)]
    signature = inspect.signature(function)
    own = [
        parameter.replace(annotation=hints[name])
        for name, parameter in signature.parameters.items()
        if name != "options"
    ]
    added = [
        inspect.Parameter(
            entry.name, inspect.Parameter.KEYWORD_ONLY, default=entry.default, annotation=theirs[entry.name]
        )
        for entry in fields(kind)
    ]

    @functools.wraps(function)
    def wrapper(*words: Any, **given: Any) -> None:
        chosen = {name: given.pop(name) for name in names}
        function(*words, options=kind(**chosen), **given)

    # typer reads both.
    wrapper.__signature__ = inspect.Signature([*own, *added])  # type: ignore[attr-defined]
    wrapper.__annotations__ = {**hints, **{name: theirs[name] for name in names}}
    return wrapper


def remember(source: Source) -> None:
    """Keep what was given before the command's name."""
    _outer.set(source)
