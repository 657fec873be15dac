# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fragments → the text of haproxy.cfg and its maps. Private to the collection. Pure.

A map's file name holds a hash of its content, so haproxy.cfg alone decides what is live: it is replaced in one rename.
The configuration holds its own hash as ``description``, which a running process tells (``show info``).
"""

from __future__ import annotations

import ipaddress

from . import (
    haproxy_limits,
    haproxy_logins,
    haproxy_rules,
    haproxy_snippets,
    haproxy_tcp,
    haproxy_tls,
    haproxy_trust,
    haproxy_upstream,
    haproxy_waf,
)
from .haproxy_plan import MARK, SOURCE, STICKY, Plan, Variant
from .haproxy_routes import decisions
from .haproxy_slots import DNS_ANSWER, slots
from .haproxy_text import CONFIG_DIR, STATE_DIR, Files, hashed, milliseconds, page, quoted, section

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

# Where root leaves the servers' states for a reload: a directory in which HAProxy itself can't plant anything.
STATE_FILE = f"{CONFIG_DIR}/servers"
# Open files that HAProxy needs besides two for each connection: listeners, checks, resolvers, sockets, pipes.
RESERVED_FILES = 2000
# Beyond this many connections memory is what runs out (two buffers of 16 KiB each); more may be asked for.
DEFAULT_MAXCONN = 20000
DIGEST = "@digest@"

# What a client could use to pretend to be somebody else. Names that begin with x-forwarded- go too.
SPOOFABLE = ("forwarded", "x-real-ip", "x-client-ip", "true-client-ip", "x-request-id", "x-original-url", "proxy")

LOG_FIELDS = (
    "%(time)[accept_date(ms),ms_utime(%Y-%m-%dT%H:%M:%SZ)]",
    "%(client)ci",
    "%(client_port:sint)cp",
    "%(frontend)ft",
    "%(backend)b",
    "%(server)s",
    "%(method)HM",
    "%(host)[var(txn.host)]",
    "%(uri)HU",
    "%(version)HV",
    "%(status:sint)ST",
    "%(bytes:sint)B",
    "%(time_request_ms:sint)TR",
    "%(time_queue_ms:sint)Tw",
    "%(time_connect_ms:sint)Tc",
    "%(time_response_ms:sint)Tr",
    "%(time_total_ms:sint)Ta",
    "%(termination)tsc",
    "%(retries:sint)rc",
    "%(request_id)ID",
    "%(agent)[var(txn.agent)]",
)


def maxconn_for(wanted: int, open_files: int) -> int:
    """Connections at once: ``wanted``, or by default as many as ``open_files`` (the hard limit) allows, at most 20000.

    Raises ValueError when ``wanted`` is more than the limit allows.
    """
    most = max(100, (open_files - RESERVED_FILES) // 2)
    if wanted > most:
        raise ValueError(
            f"maxconn {wanted} needs {2 * wanted + RESERVED_FILES} open files; the limit of this server's engine is "
            f"{open_files}, which is enough for {most}"
        )
    return wanted or min(most, DEFAULT_MAXCONN)


def render(
    fragments: Sequence[Mapping[str, Any]], settings: Mapping[str, Any], maxconn: int, ipv6: bool
) -> dict[str, str]:
    """Every file below ``CONFIG_DIR``: ``haproxy.cfg`` and ``maps/<name>.<hash>.map``, name → text.

    ``settings`` are those of ``haproxy_model.settings_of``; ``ipv6`` says whether the container has IPv6.
    """
    ordered = sorted(fragments, key=lambda fragment: fragment["stack"])
    files = Files()
    plan = Plan(ordered)
    found = decisions(plan.entries)
    names = {kind: files.add(kind, text) for kind, text in {**found.maps, **haproxy_tls.lists(ordered)}.items()}
    names |= haproxy_waf.program(ordered, files)
    sections = [
        _global(
            settings,
            maxconn,
            [
                *(haproxy_tls.global_lines(settings) if "certificates" in names else []),
                *haproxy_waf.global_lines(names),
                *haproxy_snippets.lines(ordered, "global"),
            ],
        ),
        _defaults(settings, haproxy_snippets.lines(ordered, "defaults")),
        _resolvers(),
        *haproxy_snippets.sections(ordered),
        _frontend(
            settings, names, ipv6, [*plan.tried(found.groups), *haproxy_snippets.lines(ordered, "frontend")], files
        ),
        _stats(settings, ipv6),
        *_metrics(settings, ipv6),
        _unknown_host(),
        *plan.redirects(),
        *haproxy_logins.sections(ordered),
        *haproxy_limits.sections(settings),
    ]
    for fragment in ordered:
        for name, backend in fragment["backends"].items():
            sections += [
                _backend(variant, backend, plan.lines(variant, files), files)
                for variant in plan.variants(fragment, name)
            ]
    sections += _tcp(ordered, settings, ipv6, files)
    text = "\n".join(sections)
    return {**files.texts, "haproxy.cfg": text.replace(DIGEST, hashed(text))}


def _global(settings: Mapping[str, Any], maxconn: int, more: Sequence[str]) -> str:
    return "# Written by longshore.stack.haproxy_config: changes are lost.\n" + section(
        "global",
        f"description longshore-{DIGEST}",
        # The level stands before each line, and systemd takes it from there: haproxy_limits says whose is raised.
        "log stdout format short local0",
        f"maxconn {maxconn}",
        f"stats socket {STATE_DIR}/admin.sock mode 600 level admin",
        "stats timeout 30s",
        f"server-state-file {STATE_FILE}",
        # A worker that was replaced ends when its last connection does; those that never end (WebSockets) end here.
        f"hard-stop-after {settings['drain']}s",
        "mworker-max-reloads 50",
        "spread-checks 5",
        *more,
    )


def _defaults(settings: Mapping[str, Any], more: Sequence[str]) -> str:
    return section(
        "defaults",
        "mode http",
        "log global",
        "option dontlognull",
        # A header such as X_Forwarded_For becomes X-Forwarded-For in many frameworks.
        "option http-restrict-req-hdr-names delete",
        "option idle-close-on-response",
        "option redispatch 1",
        # Enough for a host that died with half of the servers; more would let a GET that kills its server kill more.
        "retries 5",
        "retry-on conn-failure empty-response junk-response 0rtt-rejected",
        # A server that vanished without a word: its connections end after 2 s and three probes of 1 s.
        "option srvtcpka",
        "srvtcpka-idle 2s",
        "srvtcpka-intvl 1s",
        "srvtcpka-cnt 3",
        "load-server-state-from-file global",
        f"timeout connect {milliseconds(settings['timeout_connect'])}",
        f"timeout client {milliseconds(settings['timeout_client'])}",
        "timeout client-fin 10s",
        f"timeout server {milliseconds(settings['timeout_server'])}",
        f"timeout http-request {milliseconds(settings['timeout_http_request'])}",
        f"timeout http-keep-alive {milliseconds(settings['timeout_http_keep_alive'])}",
        f"timeout queue {milliseconds(settings['timeout_queue'])}",
        f"timeout tunnel {milliseconds(settings['timeout_tunnel'])}",
        "timeout check 2s",
        "http-error " + page(502, "Bad gateway", "The service broke off its answer. Please try again."),
        "http-error "
        + page(503, "Service unavailable", "Nothing can answer right now. Please try again soon.")
        + " hdr retry-after 5",
        "http-error " + page(504, "Gateway timeout", "The service took too long to answer."),
        *more,
    )


def _resolvers() -> str:
    return section(
        "resolvers docker",
        "nameserver docker 127.0.0.11:53",
        f"accepted_payload_size {DNS_ANSWER}",
        "resolve_retries 3",
        "timeout resolve 500ms",
        "timeout retry 500ms",
        "hold valid 500ms",
        "hold obsolete 0s",
        "hold nx 5s",
        "hold other 30s",
        "hold refused 30s",
        "hold timeout 30s",
    )


def _binds(port: int, ipv6: bool, options: str = "") -> list[str]:
    return [f"bind :{port}{options}", *([f"bind :::{port} v6only{options}"] if ipv6 else [])]


def _frontend(
    settings: Mapping[str, Any], maps: Mapping[str, str], ipv6: bool, more: Sequence[str], files: Files
) -> str:
    https = "certificates" in maps
    return section(
        "frontend http",
        *_binds(settings["http_port"], ipv6),
        *(_binds(settings["https_port"], ipv6, haproxy_tls.bind_options(maps)) if https else []),
        *haproxy_trust.proxy_protocol(settings, files),
        f'log-format "%{{+json}}o {" ".join([*LOG_FIELDS, *haproxy_waf.log_fields(maps)])}"',
        "unique-id-format %[uuid]",
        "http-request set-var(txn.host) req.hdr(host),host_only,lower,rtrim(.)",
        "http-request set-var(txn.agent) req.hdr(user-agent)",
        *haproxy_trust.true_client(settings, files),
        *haproxy_limits.rules(settings, files),
        *(haproxy_tls.request_lines(settings, maps) if https else []),
        "http-request del-header x-forwarded- -m beg",
        *(f"http-request del-header {name}" for name in SPOOFABLE),
        "http-request set-header x-request-id %[unique-id]",
        "http-request set-header x-forwarded-for %[src]",
        f"http-request set-header x-forwarded-proto {'%[ssl_fc,iif(https,http)]' if https else 'http'}",
        "http-request set-header x-forwarded-host %[req.hdr(host)]",
        f"http-request set-header x-forwarded-port {'%[dst_port]' if https else settings['http_port']}",
        *haproxy_trust.told(settings),
        "http-after-response set-header x-request-id %[unique-id]",
        *(haproxy_tls.response_lines(settings) if https else []),
        # What may have been carried out is not sent again.
        "http-request disable-l7-retry unless METH_GET or METH_HEAD or METH_OPTIONS",
        *haproxy_rules.LOOKED_UP,
        f"http-request set-var(txn.scope) var(txn.host),map_str({maps['hosts']})",
        f"http-request set-var(txn.scope) var(txn.host),map_end({maps['wildcards']},*)"
        " unless { var(txn.scope) -m found }",
        f"http-request set-var(txn.route) var(txn.scope),concat(,txn.path,/),map_beg({maps['routes']})",
        *more,
        f"use_backend %[var(txn.route),field(1,{MARK})] if {{ var(txn.route) -m found }}",
        "default_backend unknown_host",
    )


def _stats(settings: Mapping[str, Any], ipv6: bool) -> str:
    # What comes through the published port comes by the container's first network; the stacks' edge networks are joined
    # after it, and whoever is on one of them has no business with the statistics of all.
    lines = ["no log", *_binds(settings["stats_port"], ipv6, " interface eth0")]
    if settings["stats_password"]:
        lines.append("http-request auth realm statistics unless { http_auth(statistics) }")
    text = section(
        "frontend statistics",
        *lines,
        "stats enable",
        "stats uri /",
        "stats refresh 10s",
        "stats show-legends",
        "stats show-node",
        "stats hide-version",
    )
    if settings["stats_password"]:
        user = f"user {quoted(settings['stats_user'])} insecure-password {quoted(settings['stats_password'])}"
        text = section("userlist statistics", user) + "\n" + text
    return text


def _metrics(settings: Mapping[str, Any], ipv6: bool) -> list[str]:
    if not settings["metrics_port"]:
        return []
    lines = ["no log", *_binds(settings["metrics_port"], ipv6, " interface eth0")]
    if settings["stats_password"]:
        lines.append("http-request auth realm statistics unless { http_auth(statistics) }")
    lines += ["http-request use-service prometheus-exporter if { path /metrics }", "http-request return status 404"]
    return [section("frontend metrics", *lines)]


def _unknown_host() -> str:
    return section(
        "backend unknown_host",
        "http-request return " + page(404, "Not found", "Nothing is served at this address."),
    )


def _tcp(fragments: Sequence[Mapping[str, Any]], settings: Mapping[str, Any], ipv6: bool, files: Files) -> list[str]:
    """The ports that pass TCP on, and what is behind them. They come last: they have defaults of their own."""
    sections = []
    for fragment in fragments:
        ports = fragment.get("ports", [])
        sections += [
            haproxy_tcp.frontend(fragment, port, _binds(port["port"], ipv6), settings, files) for port in ports
        ]
        for name, backend in fragment["backends"].items():
            timeouts = [port["timeout"] for port in ports if port["backend"] == name and "timeout" in port]
            if any(port["backend"] == name for port in ports):
                own = [f"timeout server {milliseconds(max(timeouts))}"] if timeouts else []
                lines = own + haproxy_snippets.of_backend(fragment, name)
                variant = Variant(fragment, name, haproxy_tcp.SUFFIX)
                sections.append(_backend(variant, backend, lines, files))
    return [haproxy_tcp.defaults(settings), *sections] if sections else []


def _backend(variant: Variant, backend: Mapping[str, Any], own: Sequence[str], files: Files) -> str:
    http = variant.kind != haproxy_tcp.SUFFIX
    balance = "source" if variant.kind == SOURCE else backend["balance"]
    lines = [f"balance {balance}"]
    if balance == "source":
        # Every load balancer sends an address to the same server, and one server more or less moves few visitors.
        lines.append("hash-type consistent")
    lines += ["option forwarded proto host for"] if http else []
    lines += [*haproxy_upstream.proxy_lines(backend, http), *_check_lines(backend["check"])]
    if variant.kind == STICKY:
        # The cookie names a server by a hash of its address, so every load balancer understands every other's.
        lines += [
            "cookie longshore insert indirect nocache httponly dynamic attr SameSite=Lax",
            f"dynamic-cookie-key {quoted(variant.name)}",
        ]
    return section(f"backend {variant.name}", *lines, *own, *_servers(backend, balance, http, files))


def _check_lines(check: Mapping[str, Any]) -> list[str]:
    if not check["http"]:
        return []
    return [
        "option httpchk",
        f"http-check send meth GET uri {quoted(check['http'])} ver HTTP/1.1 "
        f"hdr Host {check['host'] or 'localhost'} hdr User-Agent longshore-check",
        "http-check expect status 200-399",
    ]


def _servers(backend: Mapping[str, Any], balance: str, http: bool, files: Files) -> list[str]:
    check = backend["check"]
    server = (
        f"check inter {milliseconds(check['interval'])} fastinter 500ms downinter 1s rise 1 fall 2 "
        "observe layer4 error-limit 2 on-error mark-down tcp-ut 4s"
    )
    if check["port"]:
        server += f" port {check['port']}"
    if balance == "source":
        server += " hash-key addr-port"
    by_name = server + " resolvers docker resolve-prefer ipv4 init-addr last,none"
    if "service" in backend:
        room = slots(backend["maximum"])
        words = haproxy_upstream.server_words(backend, http, files)
        # Without the family HAProxy ignores tcp-ut, and a request that a dead host never acknowledged hangs.
        return [f"server-template task 1-{room} ipv4@tasks.{backend['service']}:{backend['port']} {by_name}{words}"]
    lines = []
    for index, target in enumerate(backend["servers"], 1):
        address, named = _address(target["address"])
        words = haproxy_upstream.server_words(backend, http, files, target["address"] if named else "")
        words += f" weight {target['weight']}" if "weight" in target else ""
        words += " backup" if target.get("backup") else ""
        lines.append(f"server server{index} {address}:{target['port']} {by_name if named else server}{words}")
    return lines


def _address(address: str) -> tuple[str, bool]:
    """HAProxy's way to write an address, and whether it is a name that has to be resolved."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address, True
    return (f"ipv6@{parsed}" if parsed.version == 6 else str(parsed)), False
