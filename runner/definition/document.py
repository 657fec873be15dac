# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML to plain data that knows its places.

Read from the C parser's events, which are flat: a file nested a million levels deep is an error here, where a
composer would exhaust the stack. Scalars follow YAML 1.2 (``no`` and ``22:22`` are text), and a number whose text
says more than its value (``3.10``, ``0644``) stays text, so that nothing is lost before the schema knows what is meant.
"""

from __future__ import annotations

import io
import re
import stat
from typing import TYPE_CHECKING, Any

import yaml
from yaml.cyaml import CParser  # type: ignore[attr-defined]

from .problems import DefinitionError, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# Deeper than any real file; every later step may recurse this far.
MAX_DEPTH = 48
# Values after aliases are expanded: ten times 1,000 services.
MAX_VALUES = 1_000_000
# Bytes of a file, ample for so many.
MAX_SIZE = 16 << 20

_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")
_FLOAT = re.compile(r"-?[0-9]{1,15}\.[0-9]{1,15}")
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_CONTROL = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufeff\uff00-\ufffd\U00010000-\U0010ffff]")
_YAML = "tag:yaml.org,2002:"


class VaultValue(str):
    """A ``!vault`` value: the ciphertext as it stands in the file. It is never decrypted here."""

    __slots__ = ()

    @property
    def ciphertext(self) -> str:
        """The text that ``ansible-vault`` wrote."""
        return str(self)

    def __repr__(self) -> str:
        return "VaultValue(…)"


class Map(dict[str, Any]):
    """A mapping with the places of its keys and values."""

    __slots__ = ("mark", "places")

    def __init__(self, mark: Any) -> None:
        super().__init__()
        self.mark = mark
        self.places: dict[str, tuple[Any, Any]] = {}

    def put(self, key: str, value: Any, places: tuple[Any, Any]) -> None:
        """Set ``key`` and remember where it and its value stand."""
        self[key] = value
        self.places[key] = places

    def drop(self, key: str) -> None:
        """Forget ``key``."""
        del self[key], self.places[key]


class Seq(list[Any]):
    """A list with the places of its items."""

    __slots__ = ("mark", "places")

    def __init__(self, mark: Any) -> None:
        super().__init__()
        self.mark = mark
        self.places: list[Any] = []


class _Stream(io.StringIO):
    def __init__(self, text: str, name: str) -> None:
        super().__init__(text)
        self.name = name


class _Frame:
    """A collection that is being read: its anchor, the values in it, its height, the key that waits for a value."""

    __slots__ = ("anchor", "height", "key", "key_mark", "merges", "target", "values")

    def __init__(self, target: Map | Seq, anchor: str | None) -> None:
        self.target = target
        self.anchor = anchor
        self.values = 1
        self.height = 1
        self.key: str | None = None
        self.key_mark: Any = None
        self.merges: list[tuple[Any, Any]] = []


STARTS = "it starts with 'plugin: longshore.stack.stack'"


def read(path: Path, shown: str, hint: str = STARTS) -> tuple[Map, list[Problem]]:
    """The mapping in the file at ``path``, with what is wrong but did not stop the reading; ``shown`` names it.

    ``hint`` says what belongs into a file that holds none. Raises DefinitionError when the file can't be read as one
    YAML mapping.
    """
    try:
        status = path.stat()
        # A pipe may never end, and a device has no end.
        if stat.S_ISREG(status.st_mode) and status.st_size <= MAX_SIZE:
            return parse(path.read_bytes(), shown, hint)
    except OSError as error:
        raise DefinitionError([Problem(shown, 1, 1, "", f"cannot be read: {error.strerror}")]) from error
    message = f"is larger than {MAX_SIZE >> 20} MiB" if stat.S_ISREG(status.st_mode) else "is not a file"
    raise DefinitionError([Problem(shown, 1, 1, "", message)])


def parse(content: bytes, shown: str, hint: str = STARTS) -> tuple[Map, list[Problem]]:
    """As ``read``, from the bytes of the file."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8", "replace")
        raise DefinitionError([_at(shown, before, f"is not UTF-8: byte 0x{content[error.start]:02x}")]) from error
    if found := _CONTROL.search(text):
        raise DefinitionError([_at(shown, text[: found.start()], f"has a control character: {found[0]!r}")])
    if text.startswith("$ANSIBLE_VAULT;"):
        cure = "decrypt it, and encrypt single values with ansible-vault encrypt_string"
        raise DefinitionError([Problem(shown, 1, 1, "", "is encrypted as a whole", cure)])
    reader = _Reader(text, shown)
    try:
        result = reader.run()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        words = ", ".join(part for part in (error.context, error.problem) if part)
        reader.complain(mark, f"is not YAML: {words}")
    except yaml.YAMLError as error:
        reader.complain(None, f"is not YAML: {str(error).splitlines()[0]}")
    else:
        if isinstance(result, Map):
            return result, reader.problems
        if not reader.problems:
            reader.complain(None, "is empty" if result is None else "must be a mapping", hint)
    raise DefinitionError(reader.problems)


def _at(shown: str, before: str, message: str) -> Problem:
    lines = before.split("\n")
    return Problem(shown, len(lines), len(lines[-1]) + 1, "", message)


class _Stop(yaml.MarkedYAMLError):
    """The rest of the file is not worth reading."""


class _Reader:
    def __init__(self, text: str, shown: str) -> None:
        self._parser = CParser(_Stream(text, shown))
        self._shown = shown
        self._anchors: dict[str, tuple[Any, int, int]] = {}
        self._frames: list[_Frame] = []
        self._plain: dict[str, Any] = {}
        self._result: Any = None
        self._documents = 0
        self.problems: list[Problem] = []

    def complain(self, mark: Any, message: str, hint: str = "") -> None:
        """Remember what is wrong at ``mark``."""
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
        self.problems.append(Problem(self._shown, line, column, "", message, hint))

    def run(self) -> Any:
        """The value of the only document; None when there is none."""
        handlers = {
            yaml.ScalarEvent: self._scalar,
            yaml.MappingStartEvent: self._start,
            yaml.SequenceStartEvent: self._start,
            yaml.MappingEndEvent: self._end,
            yaml.SequenceEndEvent: self._end,
            yaml.AliasEvent: self._alias,
            yaml.DocumentStartEvent: self._document,
        }
        next_event = self._parser.get_event
        while (event := next_event()) is not None:
            handler = handlers.get(event.__class__)
            if handler is not None:
                handler(event)
        return self._result

    def _document(self, event: Any) -> None:
        self._documents += 1
        if self._documents > 1:
            raise _Stop(problem="a second document starts here; a stack file is one", problem_mark=event.start_mark)

    def _scalar(self, event: Any) -> None:
        text = event.value
        # Only double quotes can bring one, as an escape. No argument, variable or file's name can have it.
        if event.style == '"' and "\0" in text:
            self.complain(event.start_mark, "has a control character: '\\x00'")
        if event.tag is None:
            if event.implicit[0]:
                try:
                    value = self._plain[text]
                except KeyError:
                    value = self._plain[text] = resolve(text)
            else:
                value = text
        else:
            value = self._tagged(event, text)
        self._add(value, text, event.start_mark, 1, 0)
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, 1, 0)

    def _tagged(self, event: Any, text: str) -> Any:
        if event.tag == "!vault":
            if not text.lstrip().startswith("$ANSIBLE_VAULT;"):
                self.complain(event.start_mark, "is not a Vault value", "ansible-vault encrypt_string writes one")
            return VaultValue(text)
        if event.tag in ("!", f"{_YAML}str"):
            return text
        if event.tag in (f"{_YAML}int", f"{_YAML}float", f"{_YAML}bool", f"{_YAML}null"):
            return resolve(text)
        self.complain(event.start_mark, f"the tag '{_short(event.tag)}' is not known", "only !vault is")
        return text

    def _start(self, event: Any) -> None:
        if len(self._frames) >= MAX_DEPTH:
            raise _Stop(problem=f"nested deeper than {MAX_DEPTH} levels", problem_mark=event.start_mark)
        target: Map | Seq
        if event.__class__ is yaml.MappingStartEvent:
            target, usual = Map(event.start_mark), f"{_YAML}map"
        else:
            target, usual = Seq(event.start_mark), f"{_YAML}seq"
        if event.tag not in (None, "!", usual):
            self.complain(event.start_mark, f"the tag '{_short(event.tag)}' is not known", "only !vault is")
        if event.anchor is not None:
            self._anchors.pop(event.anchor, None)
        self._frames.append(_Frame(target, event.anchor))

    def _end(self, event: Any) -> None:
        del event
        frame = self._frames.pop()
        if frame.merges and isinstance(frame.target, Map):
            self._merge(frame.target, frame.merges)
        if frame.anchor is not None:
            self._anchors[frame.anchor] = (frame.target, frame.values, frame.height)
        self._add(frame.target, None, frame.target.mark, frame.values, frame.height)

    def _alias(self, event: Any) -> None:
        try:
            value, values, height = self._anchors[event.anchor]
        except KeyError:
            words = f"no anchor '&{_short(event.anchor)}' is complete before its use here"
            raise _Stop(problem=words, problem_mark=event.start_mark) from None
        if len(self._frames) + height > MAX_DEPTH:
            raise _Stop(problem=f"nested deeper than {MAX_DEPTH} levels", problem_mark=event.start_mark)
        self._add(value, None, event.start_mark, values, height)

    def _add(self, value: Any, text: str | None, mark: Any, values: int, height: int) -> None:
        """Put ``value`` where the file has it; ``text`` is what a scalar reads as when it is a key."""
        if not self._frames:
            self._result = value
            return
        frame = self._frames[-1]
        frame.values += values
        if frame.values > MAX_VALUES:
            raise _Stop(problem=f"aliases make more than {MAX_VALUES} values", problem_mark=mark)
        if height >= frame.height:
            frame.height = height + 1
        target = frame.target
        if target.__class__ is Seq:
            target.append(value)
            target.places.append(mark)
        elif frame.key_mark is None:
            frame.key_mark = mark
            frame.key = text if text is not None else value if isinstance(value, str) else None
            if frame.key is None:
                self.complain(mark, "a key must be text")
        else:
            self._pair(frame, value, mark)
            frame.key_mark = None

    def _pair(self, frame: _Frame, value: Any, mark: Any) -> None:
        key, target = frame.key, frame.target
        if key is None or not isinstance(target, Map):
            return
        if key == "<<":
            frame.merges.append((value, mark))
        elif key in target:
            first = target.places[key][0].line + 1
            self.complain(frame.key_mark, f"the key '{_short(key)}' is written twice", f"first in line {first}")
        else:
            target[key] = value
            target.places[key] = (frame.key_mark, mark)

    def _merge(self, target: Map, merges: list[tuple[Any, Any]]) -> None:
        for value, mark in merges:
            for source in value if isinstance(value, Seq) else [value]:
                if not isinstance(source, Map):
                    self.complain(mark, "'<<' takes a mapping or a list of mappings")
                    continue
                for key, item in source.items():
                    if key not in target:
                        target.put(key, item, source.places[key])


def resolve(text: str) -> Any:
    """What a plain scalar means: null, true, false, a number in its usual notation, else the text itself."""
    if text in _NULL:
        return None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        number = float(text)
        return number if repr(number) == text else text
    return text


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}…"


def locate(root: Map, path: Sequence[str | int], key: bool = False) -> Any:
    """The mark of the nearest thing to ``path`` that is in the file: its value, or its ``key``.

    A value that is a mapping or a list is shown by its key, where the eye looks for it.
    """
    node: Any = root
    mark = root.mark
    for index, part in enumerate(path):
        if isinstance(node, Map) and str(part) in node:
            key_mark, value_mark = node.places[str(part)]
            node = node[str(part)]
            last = index == len(path) - 1
            mark = key_mark if isinstance(node, dict | list) or (key and last) else value_mark
        elif isinstance(node, Seq) and isinstance(part, int) and part < len(node):
            mark, node = node.places[part], node[part]
        elif isinstance(node, Seq) and isinstance(part, str):
            named = [i for i, item in enumerate(node) if isinstance(item, str) and re.split("[=:]", item)[0] == part]
            if not named:
                break
            mark, node = node.places[named[0]], node[named[0]]
        else:
            break
    return mark
