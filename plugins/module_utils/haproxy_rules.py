# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a route does with its requests besides sending them on. Private to the collection. Pure.

A route's rules, normalized (only what was given is there)::

    match:            {methods: [GET], headers: {x-canary: "1"}}    # "v*": begins so, "*": is there
    rewrite:          /v2                                           # instead of the route's path, "/": nothing
    redirect:         {to: "https://shop.example/new", code: 308, keep: true}
    allow, deny:      [192.0.2.0/24]
    auth:             {users: staff, realm: shop}                   # a list of ``haproxy_logins``
    request_headers, response_headers:  {x-name: value | null}      # null removes it
    waf:              {policy: shop, mode: block, on_failure: pass}   # ``haproxy_waf``
"""

from __future__ import annotations

import re

from . import haproxy_waf
from .haproxy_given import choice, header_name, line, listing, mapping, networks, unknown
from .haproxy_logins import list_name
from .haproxy_text import literal, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .haproxy_text import Files

KEYS = ("match", "rewrite", "redirect", "allow", "deny", "auth", "request_headers", "response_headers", "waf")
CODES = (301, 302, 303, 307, 308)
_METHOD = re.compile(r"[A-Z][A-Z-]{0,30}")
_REWRITE = re.compile(r"/[A-Za-z0-9\-._~!$&()*+,;=:@%/]*")
_TARGET = re.compile(r"(?P<scheme>https?:)?//(?P<host>[A-Za-z0-9.\-]+|\[[0-9A-Fa-f:.]+\])(?P<port>:[0-9]{1,5})?")
# Lines of an HTTP frontend: the path by which a route is looked up, as an application will read it. With the path as it
# was sent, /x/../admin, //admin and /%61dmin would go past what /admin asks for. No browser sends dots.
LOOKED_UP = (
    "http-request set-var(txn.path) path,url_dec",
    "http-request deny deny_status 400 if !{ var(txn.path) -m found }",
    "http-request deny deny_status 400 if { var(txn.path) -m sub /. } { var(txn.path) -m reg (^|/)[.][.]?(/|$) }",
    "http-request set-var(txn.path) var(txn.path),regsub(/+,/,g) if { var(txn.path) -m sub // }",
)
# Headers of which the connection depends.
_CONNECTION = frozenset(
    {"connection", "content-length", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
)


def normalize(place: str, value: Mapping[str, Any], errors: list[str]) -> dict[str, Any]:
    """The rules in a route; what is wrong goes to ``errors``."""
    rules = {
        "match": _match(f"{place}.match", value.get("match"), errors),
        "rewrite": _rewrite(f"{place}.rewrite", value.get("rewrite"), errors),
        "redirect": _redirect(f"{place}.redirect", value.get("redirect"), errors),
        "allow": networks(f"{place}.allow", value.get("allow"), errors),
        "deny": networks(f"{place}.deny", value.get("deny"), errors),
        "auth": _auth(f"{place}.auth", value.get("auth"), errors),
        "waf": haproxy_waf.normalize(f"{place}.waf", value.get("waf"), errors),
        **{
            name: _headers(f"{place}.{name}", value.get(name), errors)
            for name in ("request_headers", "response_headers")
        },
    }
    made = {name: rule for name, rule in rules.items() if rule}
    others = sorted(set(made) - {"match", "redirect"}) if "redirect" in made else []
    if others:
        errors.append(f"{place}: {', '.join(others)} can't stand beside redirect")
    return made


def _match(place: str, value: Any, errors: list[str]) -> dict[str, Any]:
    given = mapping(place, value, "methods and headers", errors)
    unknown(place, given, ("methods", "headers"), errors)
    methods = [str(item).upper() for item in listing(f"{place}.methods", given.get("methods"), "methods", errors)]
    errors += [f"{place}.methods: {item!r} is no method" for item in methods if not _METHOD.fullmatch(item)]
    headers = {}
    for name, text in mapping(f"{place}.headers", given.get("headers"), "names and values", errors).items():
        here = f"{place}.headers.{name}"
        headers[header_name(here, name, errors)] = line(here, "*" if text in (True, None) else text, errors, 300)
    made = {"methods": sorted(set(methods)), "headers": {name: headers[name] for name in sorted(headers)}}
    return {name: item for name, item in made.items() if item}


def _rewrite(place: str, value: Any, errors: list[str]) -> str:
    text = str(value or "")
    if text and not _REWRITE.fullmatch(text):
        errors.append(f"{place}: {text!r} must begin with '/' and hold no '?', '#', quote or blank")
        return ""
    return text.rstrip("/") or "/" if text else ""


def _redirect(place: str, value: Any, errors: list[str]) -> dict[str, Any]:
    given = {"to": value} if isinstance(value, str) and value else mapping(place, value, "to, code and keep", errors)
    if not given:
        return {}
    unknown(place, given, ("to", "code", "keep"), errors)
    target = line(f"{place}.to", given.get("to") or "", errors)
    begin = _TARGET.match(target)
    path = target[begin.end() :] if begin else target
    keep = given.get("keep") is not False
    if not (begin or target.startswith("/")) or not re.fullmatch(r"(/[^\s'\"\\]*)?", path) or target.startswith("///"):
        errors.append(f"{place}.to: {target!r} is neither a URL, '//' and a host (the scheme stays), nor a path")
    elif keep and path and not _REWRITE.fullmatch(path):
        errors.append(f"{place}.to: {target!r} has a query or a quote, so nothing can be added to it: say keep: false")
    code = given.get("code") or 308
    if code not in CODES and str(code) not in map(str, CODES):
        errors.append(f"{place}.code: {code!r} is not one of {', '.join(map(str, CODES))}")
        code = 308
    return {"to": target, "code": int(code), "keep": keep}


def _auth(place: str, value: Any, errors: list[str]) -> dict[str, str]:
    given = {"users": value} if isinstance(value, str) and value else mapping(place, value, "users and realm", errors)
    if not given:
        return {}
    unknown(place, given, ("users", "realm"), errors)
    realm = line(f"{place}.realm", given.get("realm") or "restricted", errors, 100)
    return {"users": str(given.get("users") or ""), "realm": realm}


def _headers(place: str, value: Any, errors: list[str]) -> dict[str, Any]:
    made = {}
    for name, text in mapping(place, value, "names and values", errors).items():
        here = f"{place}.{name}"
        lower = header_name(here, name, errors)
        if lower in _CONNECTION:
            errors.append(f"{here}: is HAProxy's own to set")
        made[lower] = None if text is None else line(here, text, errors)
    return {name: made[name] for name in sorted(made)}


def condition(match: Mapping[str, Any]) -> str:
    """A route's ``match`` as HAProxy's condition; nothing for none."""
    words = []
    if match.get("methods"):
        words.append(f"{{ method {' '.join(match['methods'])} }}")
    for name, text in (match.get("headers") or {}).items():
        if text == "*":
            words.append(f"{{ req.fhdr({name}) -m found }}")
        elif text.endswith("*"):
            words.append(f"{{ req.fhdr({name}) -m beg -- {quoted(text[:-1])} }}")
        else:
            words.append(f"{{ req.fhdr({name}) -m str -- {quoted(text)} }}")
    return " ".join(words)


def guard(route: Mapping[str, Any], when: str, files: Files) -> list[str]:
    """The lines that keep out who has no business there. ``when``: conditions of the route itself."""
    lines = []
    if route.get("deny"):
        lines.append(f"http-request deny deny_status 403 if {when}{{ src {files.sources(route['deny'])} }}")
    if route.get("allow"):
        lines.append(f"http-request deny deny_status 403 if {when}!{{ src {files.sources(route['allow'])} }}")
    return lines


def changes(route: Mapping[str, Any], when: str, stack: str) -> list[str]:
    """The lines that ask for a password, and change the request and its answer."""
    only = f" if {when.strip()}" if when else ""
    lines = []
    if route.get("auth"):
        realm = literal(route["auth"]["realm"])
        lines += [
            f"http-request auth realm {realm} if {when}!{{ http_auth({list_name(stack, route['auth']['users'])}) }}",
            f"http-request set-header x-forwarded-user %[http_auth_user]{only}",
            # The password is no business of the application's.
            f"http-request del-header authorization{only}",
        ]
    if route.get("rewrite"):
        lines += rewriting(route["path"], route["rewrite"], only)
        if route["path"] != "/":
            lines.append(f"http-request set-header x-forwarded-prefix {literal(route['path'])}{only}")
    for kind, name in (("http-request", "request_headers"), ("http-after-response", "response_headers")):
        for header, text in (route.get(name) or {}).items():
            what = f"del-header {header}" if text is None else f"set-header {header} {literal(text)}"
            lines.append(f"{kind} {what}{only}")
    return lines


def rewriting(path: str, other: str, only: str) -> list[str]:
    """Lines that put ``other`` in the place of ``path`` where a request's path begins so."""
    old, new = path.rstrip("/"), other.rstrip("/").replace("%", "%%")
    if old == new:
        return []
    pattern, result = (f"^{re.escape(old)}(/.*)?$", rf"{new}\1") if new else (f"^{re.escape(old)}/*(.*)$", r"/\1")
    if not old:
        pattern, result = "^(/.*)$", rf"{new}\1"
    return [f"http-request replace-path {quoted(pattern)} {quoted(result)}{only}"]


def redirecting(route: Mapping[str, Any], when: str) -> list[str]:
    """The lines that answer with another address."""
    redirect, only = route["redirect"], f" if {when.strip()}" if when else ""
    found = _TARGET.match(redirect["to"])
    base, path = (found.group(0), redirect["to"][found.end() :]) if found else ("", redirect["to"])
    start = literal(base)
    if base.startswith("//"):
        start = f"%[req.hdr(x-forwarded-proto)]:{base}"
    if not redirect["keep"]:
        target = start[:-1] + literal(path)[1:] if start.endswith("'") and base else start + path.replace("%", "%%")
        return [f"http-request redirect location {target if base else literal(path)} code {redirect['code']}{only}"]
    # A request that is refused or answered here may still be rewritten before.
    lines = rewriting(route["path"], path or route["path"], only) if path else []
    return [*lines, f"http-request redirect prefix {start if base else '/'} code {redirect['code']}{only}"]


def sticky_of(place: str, value: Any, errors: list[str]) -> bool | str:
    """Whether visitors stay with one server: no, by a cookie (``True``) or by their address (``source``)."""
    if value in (None, "", False, "false", "False", "no"):
        return False
    if value in (True, "true", "True", "yes", "cookie"):
        return True
    return choice(place, value, ("source", "cookie"), errors)
