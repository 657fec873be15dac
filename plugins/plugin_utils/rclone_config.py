# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What rclone is told of the places of backups. Pure.

Names and meanings are those of rclone's manual ("Local Filesystem", "Amazon S3", "SFTP").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

AMAZON = ".amazonaws.com"
# A user of SFTP may have no shell.
_SFTP = {"shell_type": "none", "md5sum_command": "none", "sha1sum_command": "none"}


def copies(given: Sequence[Mapping[str, Any]], target: Mapping[str, Any], path: str, directory: str) -> dict[str, Any]:
    """What a keeper of backups is told of the copies of its repository, which is at ``path`` of ``target``.

    ``given``: ``name``, ``target``, ``path`` and ``bandwidth`` of each. In ``directory`` the repository's own SFTP
    files are called ``sftp.key`` and ``sftp.known_hosts``, those of a copy the same with ``copies/NAME``.

    Gives ``text`` (rclone's file), ``origin`` (the repository in rclone's words), and ``copies``: name -> ``place``
    (the same of the copy), ``settings`` (a path, ``copies/NAME.json``) and ``bandwidth``.
    """
    places = [("repository", target, f"{directory}/sftp")]
    places += [(f"copy-{each['name']}", each["target"], f"{directory}/copies/{each['name']}") for each in given]
    text = "".join(_section(*each) for each in places)
    return {
        "text": f"# Written by a role of longshore.stack: changes are lost.\n{text}",
        "origin": _place("repository", target, path),
        "copies": {
            each["name"]: {
                "place": _place(f"copy-{each['name']}", each["target"], each["path"]),
                "settings": f"{directory}/copies/{each['name']}.json",
                "bandwidth": each.get("bandwidth") or 0,
            }
            for each in given
        },
    }


def _place(name: str, target: Mapping[str, Any], path: str) -> str:
    return f"{name}:{target['bucket']}{path}" if target["type"] == "s3" else f"{name}:{path}"


def _section(name: str, target: Mapping[str, Any], files: str) -> str:
    lines: dict[str, Any] = {"type": target["type"]}
    if target["type"] == "s3":
        amazon = str(target["host"]).endswith(AMAZON)
        lines |= {
            "provider": "AWS" if amazon else "Other",
            "endpoint": f"https://{target['host']}:{target['port']}",
            "region": target["region"],
            "access_key_id": target["access_key"],
            "secret_access_key": target["secret_key"],
            "force_path_style": "false" if amazon else "true",
            # Who backs up may make none, and it is there.
            "no_check_bucket": "true",
        }
    elif target["type"] == "sftp":
        lines |= {
            "host": target["host"],
            "port": target["port"],
            "user": target["user"],
            "key_file": f"{files}.key",
            "known_hosts_file": f"{files}.known_hosts",
            **_SFTP,
        }
    return f"\n[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in lines.items())
