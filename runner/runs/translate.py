# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From ansible-runner's dictionaries to our events: pure, and the only place that knows their shape."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from longshore.runs.events import (
    Change,
    Event,
    FieldChange,
    Line,
    Place,
    PlayStarted,
    TaskFinished,
    TaskStarted,
    TaskStatus,
)

_OURS = "longshore."
_FINISHED: dict[str, TaskStatus] = {
    "runner_on_ok": "ok",
    "runner_on_failed": "failed",
    "runner_on_unreachable": "unreachable",
    "runner_on_skipped": "skipped",
}
_LEVELS: dict[str, Literal["output", "warning", "error"]] = {
    "verbose": "output",
    "warning": "warning",
    "system_warning": "warning",
    "deprecated": "warning",
    "error": "error",
}
# What Ansible itself adds to a module's result, and what has a place of its own in the event.
_NOT_DATA = {"changed", "changes", "deprecations", "diff", "exception", "failed", "invocation", "msg", "warnings"}
_OUTPUT_TAIL = 20


def translate(raw: Mapping[str, Any]) -> Iterator[Event]:
    """The events in one of ansible-runner's; none for what nobody needs to see."""
    kind = raw.get("event", "")
    data = raw.get("event_data") or {}
    if kind in _LEVELS:
        yield from _lines(str(raw.get("stdout") or ""), _LEVELS[kind])
    elif kind == "playbook_on_play_start":
        yield PlayStarted(play=str(data.get("name", "")))
    elif kind == "runner_on_start":
        yield TaskStarted(place=_place(data))
    elif kind in _FINISHED:
        yield _finished(_FINISHED[kind], data)


def _lines(text: str, level: Literal["output", "warning", "error"]) -> Iterator[Line]:
    for line in text.splitlines():
        if line.strip():
            # What ansible-playbook says before its callback is loaded carries its level as text only.
            says = "error" if line.startswith(("[ERROR]", "ERROR!")) else level
            yield Line(text=line.rstrip(), level=says)


def _place(data: Mapping[str, Any]) -> Place:
    return Place(
        id=str(data.get("task_uuid", "")),
        task=str(data.get("task", "")).rpartition(" : ")[2],
        role=str(data.get("role") or "").rpartition(".")[2],
        play=str(data.get("play", "")),
        host=str(data.get("host", "")),
    )


def _finished(status: TaskStatus, data: Mapping[str, Any]) -> TaskFinished:
    result = data.get("res") or {}
    action = str(data.get("resolved_action") or data.get("task_action") or "")
    if status == "failed" and data.get("ignore_errors"):
        status = "ignored"
    elif status == "ok" and result.get("changed"):
        status = "changed"
    place = _place(data)
    items = [item for item in result.get("results") or [] if isinstance(item, dict)]
    return TaskFinished(
        place=place,
        status=status,
        duration=float(data.get("duration") or 0.0),
        action=action,
        changes=_changes(status, place.task, result, items),
        diff="".join(_diff(entry) for entry in [result, *items]),
        message=_message(result, items) if status in ("failed", "ignored", "unreachable") else "",
        data=_data(result) if action.startswith(_OURS) else {},
    )


def _data(result: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in result.items() if key not in _NOT_DATA and not key.startswith("_ansible")}


def _changes(
    status: TaskStatus, task: str, result: Mapping[str, Any], items: list[dict[str, Any]]
) -> tuple[Change, ...]:
    if status != "changed":
        return ()
    told = [change for entry in [result, *items] for change in entry.get("changes") or []]
    return tuple(_change(change) for change in told) or (Change(text=task),)


def _change(told: Any) -> Change:
    if not isinstance(told, dict):
        return Change(text=str(told))
    fields = tuple(
        FieldChange(path=str(field.get("path", "")), before=field.get("before"), after=field.get("after"))
        for field in told.get("fields") or []
    )
    kind, name, action = (str(told.get(key) or "") for key in ("kind", "name", "action"))
    text = str(told.get("text") or " ".join(word for word in (action, kind, name) if word))
    return Change(text=text, kind=kind, name=name, action=action, fields=fields)


def _message(result: Mapping[str, Any], items: list[dict[str, Any]]) -> str:
    if failed := [item for item in items if item.get("failed")]:
        return "\n".join(_message(item, []) for item in failed)
    parts = [str(result.get("msg") or result.get("censored") or result.get("reason") or "failed")]
    for stream in ("module_stderr", "module_stdout", "stderr", "stdout"):
        if text := str(result.get(stream) or "").strip():
            parts.append("\n".join(text.splitlines()[-_OUTPUT_TAIL:]))
            break
    return "\n".join(parts)


def _diff(result: Mapping[str, Any]) -> str:
    told = result.get("diff") or []
    return "".join(_one_diff(entry) for entry in (told if isinstance(told, list) else [told]) if entry)


def _one_diff(entry: Mapping[str, Any]) -> str:
    text = str(entry.get("prepared") or "")
    if "before" in entry and "after" in entry:
        text += "".join(
            difflib.unified_diff(
                _text(entry["before"]),
                _text(entry["after"]),
                str(entry.get("before_header") or "before"),
                str(entry.get("after_header") or "after"),
            )
        )
    return text if not text or text.endswith("\n") else f"{text}\n"


def _text(side: Any) -> list[str]:
    text = side if isinstance(side, str) else json.dumps(side, indent=2, sort_keys=True, default=str)
    return [line if line.endswith("\n") else f"{line}\n" for line in text.splitlines(keepends=True)]
