# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a change on a host is, and how programs are run there.

Private to the collection.
"""

from __future__ import annotations

import os
import subprocess

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

HIDDEN = "(secret)\n"


class HostError(Exception):
    """The wanted state cannot be reached; the message says what, why and, where known, the cure."""


class Refused(HostError):
    """A change was not made at all: what it would have called for is not owed."""


class Change:
    """One difference between what is and what is wanted.

    Attributes: ``what`` (a few words, for ``changes``), ``apply`` (makes it so; called at most once, never in check
    mode), ``before`` and ``after`` (texts for ``--diff``), ``triggers`` (words that commands and units may wait for).
    """

    def __init__(
        self,
        what: str,
        apply: Callable[[], None],
        before: str = "",
        after: str = "",
        triggers: Iterable[str] = (),
    ) -> None:
        self.what = what
        self.apply = apply
        self.before = before
        self.after = after
        self.triggers = frozenset(triggers)


class Host:
    """What the subjects of one run tell each other.

    Attributes: ``check`` (nothing may be written), ``changed`` (a change was found so far), ``fired`` (triggers of the
    changes so far), ``removed`` (paths that went, or would), ``unsupported`` (what this kernel does not offer).
    """

    def __init__(self, check: bool) -> None:
        self.check = check
        self.changed = False
        self.fired: set[str] = set()
        self.removed: set[str] = set()
        self.unsupported: list[str] = []

    @property
    def tentative(self) -> bool:
        """True when something may be missing only because check mode did not make it."""
        return self.check and self.changed


def run(
    argv: Sequence[str],
    *,
    given: str | None = None,
    environment: Mapping[str, str] | None = None,
    timeout: float = 120.0,
) -> str:
    """The standard output of a program, run without a shell in the C locale.

    ``timeout`` is in seconds. Raises ``HostError`` when it is missing, fails or takes longer.
    """
    code, out, error = attempt(argv, given=given, environment=environment, timeout=timeout)
    if code != 0:
        raise HostError(f"{' '.join(argv)} ended with {code}: {last_lines(error or out)}")
    return out


def attempt(
    argv: Sequence[str],
    *,
    given: str | None = None,
    environment: Mapping[str, str] | None = None,
    timeout: float = 120.0,
) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a program; for programs whose failing is an answer."""
    try:
        # run_command belongs to a module, which these functions know nothing of.
        process = subprocess.Popen(  # pylint: disable=ansible-bad-function
            list(argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "LC_ALL": "C", "LANGUAGE": "C", **(environment or {})},
        )
    except FileNotFoundError as error:
        raise HostError(f"{argv[0]} is not installed") from error
    with process:
        try:
            out, errors = process.communicate((given or "").encode(), timeout)
        except subprocess.TimeoutExpired as error:
            process.kill()
            raise HostError(f"{' '.join(argv)} took longer than {timeout:.0f} s") from error
    return process.returncode, out.decode(errors="replace"), errors.decode(errors="replace")


def last_lines(text: str, count: int = 8) -> str:
    """The end of a program's output, as one line of a message."""
    return " | ".join(line.strip() for line in text.strip().splitlines()[-count:])
