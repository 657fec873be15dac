# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTPS in a stack's fragment and in HAProxy's configuration. Private to the collection. Pure.

The part ``tls`` of a normalized fragment; empty when the stack has no HTTPS::

    redirect: true            # plain requests for the certificates' names go to https
    certificates:             # sorted by name
      - {name: shop.example, names: [shop.example], managed: true}     # names: what it is to be good for
      - {name: own, names: [], managed: false}                         # managed: a keeper renews it on the server
"""

from __future__ import annotations

import re

from .haproxy_certificates import DIRECTORY, REDIRECTS, THUMBPRINT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

# Settings of HAProxy itself that stacks have to agree in, with their defaults.
SETTINGS: dict[str, Any] = {
    "https_port": 443,
    # Mozilla's guidelines for servers, version 6.0 of April 2026.
    "tls_profile": "intermediate",
    # Seconds for which browsers come by HTTPS only; two years are what Mozilla's guidelines say. 0: no such header.
    "hsts": 63072000,
}
PROFILES = ("intermediate", "modern")
CHALLENGE = "/.well-known/acme-challenge/"

_NAME = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9_.-]{0,62}[a-zA-Z0-9])?")
_DOMAIN = re.compile(r"(?:\*\.)?[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)+")
_CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)
_SUITES = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
_CURVES = "X25519:prime256v1:secp384r1"


def normalize(given: Any, errors: list[str]) -> dict[str, Any]:
    """The part ``tls`` of a fragment with every default filled in; complaints go to ``errors``.

    ``given`` may have ``redirect``, ``certificates`` (each with ``name``, ``pem``) and ``managed`` (each with ``name``,
    ``names``). What a fragment's file holds is read too: there are no ``pem`` and one list.
    """
    if not given:
        return {}
    if not isinstance(given, dict):
        errors.append("tls: must be a mapping with certificates or managed")
        return {}
    wrong = sorted(set(map(str, given)) - {"redirect", "certificates", "managed"})
    if wrong:
        errors.append(f"tls: unknown {', '.join(wrong)} (known: redirect, certificates, managed)")
    own = [(f"tls.certificates[{index}]", each) for index, each in enumerate(given.get("certificates") or [])]
    kept = [
        (f"tls.managed[{index}]", {**each, "managed": True}) for index, each in enumerate(given.get("managed") or [])
    ]
    made = [_certificate(place, each, errors) for place, each in [*own, *kept]]
    if not made:
        errors.append("tls: has no certificate: give certificates or managed")
    names = [each["name"] for each in made]
    errors += [f"tls: two certificates are named {name!r}" for name in sorted({n for n in names if names.count(n) > 1})]
    redirect = given.get("redirect")
    return {
        "redirect": True if redirect is None else bool(redirect),
        "certificates": sorted(made, key=lambda each: str(each["name"])),
    }


def check_settings(made: dict[str, Any], errors: list[str]) -> None:
    """Complain about settings that can't be."""
    if made["tls_profile"] not in PROFILES:
        errors.append(f"tls_profile: {made['tls_profile']!r} is not one of {', '.join(PROFILES)}")
    if isinstance(made["hsts"], bool) or not str(made["hsts"]).isdigit() or int(made["hsts"]) > 10 * 365 * 86400:
        errors.append(f"hsts: {made['hsts']!r} is not a time in seconds, at most ten years")
    others = [name for name in ("http_port", "stats_port") if made[name] == made["https_port"]]
    errors += [f"https_port: {made['https_port']} is {name} too" for name in others]


def _certificate(place: str, value: Any, errors: list[str]) -> dict[str, Any]:
    name, names = str(value.get("name") or ""), [str(each).lower() for each in value.get("names") or []]
    managed = bool(value.get("managed"))
    if not _NAME.fullmatch(name):
        errors.append(f"{place}.name: {name!r} must be letters, digits, '_', '.' and '-'")
    if managed and not names:
        errors.append(f"{place}.names: is for no host name")
    errors += [f"{place}.names: {each!r} is not a host name" for each in names if not _DOMAIN.fullmatch(each)]
    return {"name": name, "names": sorted(set(names)), "managed": managed}


def has_tls(fragments: Iterable[Mapping[str, Any]]) -> bool:
    """Whether anybody wants HTTPS."""
    return any(fragment.get("tls") for fragment in fragments)


def bundles(fragments: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """File name below the directory → the certificate, of all stacks."""
    return {
        f"{fragment['stack']}.{each['name']}.pem": each
        for fragment in fragments
        for each in (fragment.get("tls") or {}).get("certificates", [])
    }


def lists(fragments: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The text of the files that the configuration refers to by kind: ``certificates`` and ``challenged``.

    What is first in the list of certificates is served to a client that asks for no name, or for one that nobody has.
    """
    if not has_tls(fragments):
        return {}
    found = bundles(fragments)
    asked = {name for each in found.values() if each["managed"] for name in each["names"] if not name.startswith("*")}
    return {
        "certificates": "".join(f"{DIRECTORY}/{name}\n" for name in sorted(found)),
        "challenged": "".join(f"{name}\n" for name in sorted(asked)),
    }


def global_lines(settings: Mapping[str, Any]) -> list[str]:
    """What the section ``global`` says of TLS: Mozilla's guidelines, and no tickets, whose key nobody rotates."""
    modern = settings["tls_profile"] == "modern"
    least = "TLSv1.3" if modern else "TLSv1.2"
    ciphers = [] if modern else [f"ssl-default-bind-ciphers {_CIPHERS}"]
    return [
        # Of hybrid key exchange OpenSSL knows since 3.5.
        ".if openssl_version_atleast(3.5.0)",
        f"ssl-default-bind-curves X25519MLKEM768:{_CURVES}",
        ".else",
        f"ssl-default-bind-curves {_CURVES}",
        ".endif",
        *ciphers,
        f"ssl-default-bind-ciphersuites {_SUITES}",
        f"ssl-default-bind-options prefer-client-ciphers ssl-min-ver {least} no-tls-tickets",
    ]


def bind_options(maps: Mapping[str, str]) -> str:
    """What follows the port in a ``bind`` line for HTTPS."""
    return f" ssl crt-list {maps['certificates']} alpn h2,http/1.1"


def request_lines(settings: Mapping[str, Any], maps: Mapping[str, str]) -> list[str]:
    """What the frontend does with a request once ``txn.host`` is set, before it is routed.

    A challenge is answered from what is asked and from the account's key (RFC 8555, section 8.3): so every load
    balancer answers what any of them has begun.
    """
    port = "" if settings["https_port"] == 443 else f":{settings['https_port']}"
    token = f"{{ path_reg ^{CHALLENGE.replace('.', '[.]')}[A-Za-z0-9_-]+$ }}"
    challenged = f"{{ var(txn.host) -m str -f {maps['challenged']} }}"
    # A trusted proxy may have taken the TLS off: haproxy_trust has its word.
    plain = f"!{{ ssl_fc }} !{{ var(txn.proto) -m str https }} !{{ path_beg {CHALLENGE} }}"
    secure = f"{{ var(txn.host) -m str -f {REDIRECTS} }}"
    below = f"{{ var(txn.host),regsub(^[^.]+,*) -m str -f {REDIRECTS} }}"
    return [
        "http-request return status 200 content-type text/plain "
        f"lf-string %[path,field(4,/)].%[str(thumbprint),map_str({THUMBPRINT})] if {token} {challenged}",
        *(
            f"http-request redirect location https://%[var(txn.host)]{port}%[pathq] code 308 if {plain} {each}"
            for each in (secure, below)
        ),
    ]


def response_lines(settings: Mapping[str, Any]) -> list[str]:
    """What the frontend adds to every answer, its own among them."""
    if not settings["hsts"]:
        return []
    return [
        f'http-after-response set-header strict-transport-security "max-age={settings["hsts"]}" if {{ ssl_fc }}',
    ]
