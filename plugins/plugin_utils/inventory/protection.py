# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of the roles that keep attackers out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from longshore.definition.bans import Bans
    from longshore.definition.sshd import Sshd
    from longshore.definition.stack import Stack

# Key of a jail in the file → how the role's variables of it begin.
_JAILS = {
    "ssh": "sshd",
    "logins": "login",
    "scanners": "scanner",
    "floods": "flood",
    "attacks": "attack",
    "repeated": "recidive",
}


def variables(definition: Stack) -> dict[str, Any]:
    """``fail2ban_*``, ``sshd_*`` and ``haproxy_limit_*``."""
    spared = _spared(definition)
    return {
        "fail2ban_stack": definition.name,
        "fail2ban_ignore": spared,
        **(_bans(definition.bans) if definition.bans is not None else {}),
        "sshd_stack": definition.name,
        "sshd_spared": spared,
        **(_sshd(definition.sshd) if definition.sshd is not None else {}),
        **_limit(definition, spared),
    }


def members(definition: Stack) -> dict[str, list[str]]:
    """The groups of those roles: where they do their work, and where that ends."""
    servers = list(definition.servers)
    bans, sshd = definition.bans, definition.sshd
    return {
        "fail2ban": servers if bans is not None and bans.enabled else [],
        "former_fail2ban": servers if bans is not None and not bans.enabled else [],
        "sshd": servers if sshd is not None and sshd.enabled else [],
        "former_sshd": servers if sshd is not None and not sshd.enabled else [],
    }


def shared(definition: Stack) -> dict[str, Any]:
    """Setting → value, of what all stacks of a server must say alike; what is spared counts together."""
    says: dict[str, Any] = {}
    for section, model in (("bans", definition.bans), ("sshd", definition.sshd)):
        if model is not None:
            says |= {f"{section}.{key}": value for key, value in model.model_dump(mode="json").items()}
    says.pop("bans.ignore", None)
    return says


def _spared(definition: Stack) -> list[str]:
    from longshore.definition.bans import own_addresses  # noqa: PLC0415 - as in the inventory plugin: it may be missing

    given = definition.bans.ignore if definition.bans is not None else []
    return list(dict.fromkeys([*own_addresses(definition), *given]))


def _bans(bans: Bans) -> dict[str, Any]:
    result: dict[str, Any] = {
        "fail2ban_bantime": round(bans.duration),
        "fail2ban_bantime_max": round(bans.longest),
        "fail2ban_recidive_bantime": round(bans.repeated.duration),
    }
    for key, name in _JAILS.items():
        jail = getattr(bans, key)
        result[f"fail2ban_{name}_attempts"] = jail.attempts
        result[f"fail2ban_{name}_within"] = round(jail.within)
        for more in ("statuses", "paths"):
            if (value := getattr(jail, more, None)) is not None:
                result[f"fail2ban_{name}_{more}"] = value
    return result


def _sshd(sshd: Sshd) -> dict[str, Any]:
    return {
        f"sshd_{key}": round(value) if key == "idle" else value
        for key, value in sshd.model_dump(mode="json").items()
        if key != "enabled"
    }


def _limit(definition: Stack, spared: list[str]) -> dict[str, Any]:
    from longshore.definition.bans import REQUESTS_A_MINUTE  # noqa: PLC0415 - as above

    limit = definition.load_balancer.rate_limit
    if limit is None:
        banning = definition.bans is not None and definition.bans.enabled
        requests, per, answer, ignored = REQUESTS_A_MINUTE if banning else 0, 60.0, "429", []
    else:
        requests, per, answer, ignored = limit.requests, limit.per, limit.answer, limit.ignore
    return {
        "haproxy_limit_requests": requests,
        "haproxy_limit_per": per,
        "haproxy_limit_answer": answer,
        "haproxy_limit_except": [*spared, *ignored] if requests else [],
    }
