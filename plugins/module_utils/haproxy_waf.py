# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes whose requests a web application firewall judges first. Private to the collection. Pure.

The firewall (role ``waf``) only says yes or no: HAProxy sends it a copy of the request's head and of the body's
beginning over a Unix socket, and what happens then is HAProxy's to do. So a firewall that is gone, slow or being
reloaded loses no request, and clients, retries, WebSockets and health checks are what they are without it.

A route's ``waf``, normalized::

    {policy: "shop.1", mode: detect | block, on_failure: pass | refuse}

Its outcome is ``txn.waf``, the field ``waf`` of the access log: ``passed``; ``detected`` (would have been refused);
``blocked``; ``failed`` (nobody judged).
"""

from __future__ import annotations

import re

from .haproxy_given import choice, mapping, unknown
from .haproxy_text import CONFIG_DIR, page

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from .haproxy_text import Files

# In a directory that HAProxy sees, and can plant nothing in.
SOCKET = f"{CONFIG_DIR}/waf/judge.sock"
MODES = ("detect", "block")
FAILURES = ("pass", "refuse")
# So much of a body is judged, in bytes. HAProxy's buffer holds it together with the head.
BODY = 65536
_HEAD = 16384
_POLICY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
# Streams of messages that nothing here can read, which have no end to wait for.
_STREAM = "{ req.fhdr(content-type) -m beg -i application/grpc }"
# How long a client may take to send what is judged.
_WAIT = "10s"


def normalize(place: str, value: Any, errors: list[str]) -> dict[str, str]:
    """A route's ``waf``; nothing for none. What is wrong goes to ``errors``."""
    given = mapping(place, value or {}, "policy, mode and on_failure", errors)
    if not given:
        return {}
    unknown(place, given, ("policy", "mode", "on_failure"), errors)
    policy = str(given.get("policy") or "default")
    if not _POLICY.fullmatch(policy):
        errors.append(f"{place}.policy: {policy!r} must be letters, digits, '_', '.' and '-'")
    return {
        "policy": policy,
        "mode": choice(f"{place}.mode", given.get("mode") or MODES[0], MODES, errors),
        "on_failure": choice(f"{place}.on_failure", given.get("on_failure") or FAILURES[0], FAILURES, errors),
    }


def program(fragments: Iterable[Mapping[str, Any]], files: Files) -> dict[str, str]:
    """``waf`` → the file of what asks the firewall; nothing where no route is judged."""
    used = any("waf" in route for fragment in fragments for route in fragment["routes"])
    return {"waf": files.add("waf", _LUA, "lua")} if used else {}


def global_lines(names: Mapping[str, str]) -> list[str]:
    """What the section global needs for it; ``names`` has what ``program`` gave."""
    if "waf" not in names:
        return []
    # A request that is judged waits here with the beginning of its body.
    return [f"lua-load-per-thread {names['waf']}", f"tune.bufsize {BODY + _HEAD}"]


def log_fields(names: Mapping[str, str]) -> tuple[str, ...]:
    """What the access log says of it."""
    return ("%(waf)[var(txn.waf)]",) if "waf" in names else ()


def lines(route: Mapping[str, Any], when: str) -> list[str]:
    """The rules of a backend for a route. ``when``: conditions of the route itself."""
    waf = route.get("waf")
    if not waf:
        return []
    made = [
        f"http-request wait-for-body time {_WAIT} at-least {BODY} if {when}!{_STREAM}",
        f"http-request lua.waf {waf['policy']} {waf['mode']}" + (f" if {when.strip()}" if when else ""),
    ]
    if waf["mode"] == "block":
        made.append(f"http-request deny deny_status 403 if {when}{{ var(txn.waf) -m str blocked }}")
    if waf["on_failure"] == "refuse":
        unavailable = page(503, "Service unavailable", "Nothing can check requests right now. Please try again soon.")
        made.append(
            f"http-request return {unavailable} hdr retry-after 5 if {when}"
            "!{ var(txn.waf) -m str passed detected blocked }"
        )
    return made


_LUA = f"""\
-- Written by longshore.stack.haproxy_config: changes are lost.
-- Asks the web application firewall about a request: http-request lua.waf POLICY MODE. The outcome is txn.waf.
local judge = "unix@{SOCKET}"
-- What one connection says to the next, or what is written anew below.
local hop = {{
    ["connection"] = true, ["keep-alive"] = true, ["proxy-connection"] = true, ["te"] = true, ["trailer"] = true,
    ["transfer-encoding"] = true, ["upgrade"] = true, ["expect"] = true, ["content-length"] = true,
}}
local own = "x-longshore-waf-"
-- Requests that are asked about at once: each costs an open file. More of them than this are not judged.
local asking, most = 0, nil

local function request(txn, policy)
    local body = ""
    local kind = txn.sf:req_fhdr("content-type")
    if not kind:lower():find("^application/grpc") then
        body = txn.sf:req_body()
    end
    local path = txn.sf:pathq()
    local said = {{
        txn.sf:method() .. " " .. (path ~= "" and path or "/") .. " HTTP/1.1\\r\\n",
        own .. "policy: " .. policy .. "\\r\\n" .. own .. "client: " .. txn.sf:src() .. "\\r\\n",
        own .. "id: " .. txn.sf:unique_id() .. "\\r\\nconnection: close\\r\\n",
    }}
    for name, values in pairs(txn.http:req_get_headers()) do
        if not hop[name] and name:sub(1, #own) ~= own then
            for _, value in pairs(values) do
                said[#said + 1] = name .. ": " .. value .. "\\r\\n"
            end
        end
    end
    local length = txn.sf:req_fhdr("content-length")
    if length ~= "" or body ~= "" then
        said[#said + 1] = "content-length: " .. #body .. "\\r\\n"
        -- A document that was cut off does not end as it should.
        if length ~= tostring(#body) then
            said[#said + 1] = own .. "partial: 1\\r\\n"
        end
    end
    said[#said + 1] = "\\r\\n"
    said[#said + 1] = body
    return table.concat(said)
end

local function status(text)
    local socket = core.tcp()
    socket:settimeout(2)
    local found = nil
    if socket:connect(judge) and socket:send(text) then
        local line = socket:receive("*l")
        found = line and tonumber(line:match("^HTTP/1%.1 (%d%d%d)"))
    end
    socket:close()
    return found
end

core.register_action("waf", {{ "http-req" }}, function(txn, policy, mode)
    most = most or math.max(16, math.floor(1000 / core.get_info().Nbthread))
    txn:set_var("txn.waf", "failed")
    if asking >= most then
        return
    end
    asking = asking + 1
    local done, found = pcall(function() return status(request(txn, policy)) end)
    asking = asking - 1
    if done and found == 204 then
        txn:set_var("txn.waf", "passed")
    elseif done and found and found >= 400 and found < 500 then
        txn:set_var("txn.waf", mode == "block" and "blocked" or "detected")
    end
end, 2)
"""
