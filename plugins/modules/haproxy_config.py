#!/usr/bin/python
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: haproxy_config
short_description: Make this server's HAProxy serve a stack's routes
version_added: 0.1.0
author: The Longshore founders (@longshore)
description:
  - Runs HAProxy as one container on this server, kept by the unit C(longshore-haproxy.service), with HTTP
    routes by host and path to Swarm services or to servers with fixed addresses.
  - Each stack gives a piece, kept in C(/etc/longshore/<stack>/haproxy.json); the pieces of all stacks make
    one configuration. Removing one leaves what the others gave as it is, byte for byte.
  - A new configuration is checked by HAProxy itself before it goes live, and goes live by a reload that loses
    no request. When HAProxy refuses it, the old one stays and the task fails with HAProxy's message.
  - The unit is restarted, which interrupts this server's traffic for a second or two, only when the image, a
    published port or the limit of connections changes, or when it does not run. Do one server after the other
    then.
  - Removing the last stack removes HAProxy from the server.
extends_documentation_fragment:
  - longshore.stack.haproxy_edge
  - longshore.stack.run
  - longshore.stack.registry_auth
attributes:
  check_mode:
    support: full
    description: Can run in check mode and tell what a real run would change, without an engine too.
  diff_mode:
    support: full
    description: Returns what is before and after each change. The password of the statistics is masked.
options:
  stack:
    description: Whose piece this is.
    type: str
    required: true
  state:
    description: Whether the stack has a piece here.
    type: str
    choices: [present, absent]
    default: present
  routes:
    description:
      - Which requests go to which backend.
      - An exact host wins over a wildcard, a longer wildcard over a shorter one, a route for any host comes
        last. Among the routes of one host the longest path wins. A host whose own routes don't match falls
        through to the next more general one.
      - A request that no route matches is answered with 404, one whose backend has no healthy server with 503.
    type: list
    elements: dict
    default: []
    suboptions:
      host:
        description:
          - A host name, C(*.) and a host name, which stands for one label or more before it, or nothing for any host.
          - Upper and lower case are the same. Without a port; international names in their C(xn--) form.
        type: str
        default: ""
      path:
        description: V(/api) stands for C(/api) and what is below C(/api/), not for C(/apix).
        type: str
        default: /
      backend:
        description: A key of O(backends). Needed, but for C(redirect).
        type: str
      sticky:
        description:
          - How a visitor stays with the server that answered first - V(true) or V(cookie) by a cookie, V(source) by the
            address, for what keeps no cookies; V(false), the default, not at all.
        type: raw
      match:
        description:
          - Only requests of this kind. Of the routes of one host and path those with C(match) are tried first, in
            their order; what none of them matches goes on to the one without, or to the next shorter path.
        type: dict
        suboptions:
          methods:
            description: Methods, such as V(GET).
            type: list
            elements: str
            default: []
          headers:
            description: Headers and their values. V(v*) stands for values that begin so, V(*) for any.
            type: dict
            default: {}
      rewrite:
        description: What the server sees instead of the route's path (C(X-Forwarded-Prefix) then); V(/) takes it away.
        type: str
      redirect:
        description:
          - Answers with another address instead - a mapping of C(to), C(code) (V(308), or V(301), V(302), V(303),
            V(307)) and C(keep) (V(true); whether the rest of the path and the query follow), or C(to) alone.
          - C(to) is a URL, C(//) and a host (the scheme stays), or a path on the same host.
        type: raw
      allow:
        description: Addresses and networks that get in, others get 403; all when empty.
        type: list
        elements: str
        default: []
      deny:
        description: Addresses and networks that get 403.
        type: list
        elements: str
        default: []
      auth:
        description:
          - Asks for a name and password of one of O(logins) - a mapping of C(users), the list's name, and C(realm), or
            the list's name alone.
          - The server finds the name in C(X-Forwarded-User), and never the password.
        type: raw
      waf:
        description:
          - Requests are judged first, by the firewall that the role P(longshore.stack.waf#role) runs on this server - a
            mapping of C(policy) (one of its policies, V(default)), C(mode) and C(on_failure).
          - C(mode) - V(detect) (default) notes in the access log (C(waf)) what would be refused; V(block) answers it
            with 403.
          - C(on_failure) - what becomes of a request that nobody could judge, V(pass) (default) or V(refuse), which is
            answered with 503.
        type: dict
      request_headers:
        description: Headers that the server gets, by name; null removes one.
        type: dict
      response_headers:
        description:
          - Headers that the client gets, by name, also with what HAProxy answers by itself; null removes one.
        type: dict
  backends:
    description:
      - Where requests go, by name. Each has either C(service) or C(servers).
      - C(service), C(port), C(maximum) - a Swarm service on the attachable network C(<stack>_edge), the port
        its tasks listen on, and the highest number of tasks it is expected to have, at most 750 (room is made for
        twice as many, at least 16).
      - C(servers) - a list of C(address) (IP address or host name) and C(port).
        Each may have C(weight) (0 to 256, default 1) and C(backup) (only when no other is left).
      - C(balance) - V(roundrobin) (default), V(leastconn), V(random) or V(source).
      - "C(check) - V({http: /path}) expects a status from 200 to 399; V({tcp: true}), the default, a connection.
        It may have C(port), C(host) (default V(localhost)) and C(interval) in seconds (default 2)."
      - C(scheme) - V(http) (default), V(h2c) (HTTP/2 without TLS, as gRPC speaks it) or V(https) (HTTP/2 where the
        server can). With V(https), C(verify) says whose certificate is right - C(name), C(ca) (PEM), or false for any.
      - C(send_proxy) - V(v1) or V(v2), the PROXY protocol before each connection.
      - C(maxconn) - requests, or connections of TCP, that one server gets at once; others wait.
      - C(slow_start) - seconds in which a server that came back gets its full share.
      - C(compression) - whether texts are compressed for clients that can read it.
      - C(timeouts) - C(connect), C(server), C(queue) and C(tunnel) in seconds, where they differ from O(settings).
    type: dict
    default: {}
  interrupt:
    description:
      - Whether an HAProxy that serves may be restarted, for what a reload can't do (another image, port or limit).
      - Without, nothing at all is done then, and C(interrupts) is true.
    type: bool
    default: true
  required:
    description:
      - Whether it is a failure that no Docker engine answers. Else the server counts as one that can't be reached, so
        that the rest of the run leaves it out and names it at its end.
      - The last stack is removed without an engine as far as it can be if this is set, else not at all.
    type: bool
    default: true
  serving:
    description:
      - Names of Swarm services that have healthy tasks. HAProxy has to find one of each that a route goes to within 80
        seconds, or RV(notices) says so.
      - Behind routes to others no task is waited for unless something was changed, and a missing one is a warning.
    type: list
    elements: str
    default: []
  tls:
    description:
      - HTTPS for the stack's hosts; without, HAProxy serves its routes by plain HTTP alone.
      - HTTP/2 and HTTP/1.1, by Mozilla's guidelines. A certificate that changes is exchanged without a reload.
    type: dict
    suboptions:
      redirect:
        description: Whether plain requests for the certificates' names are sent on to C(https), with status 308.
        type: bool
        default: true
      certificates:
        description: Certificates that are given. They are checked before anything is touched.
        type: list
        elements: dict
        default: []
        suboptions:
          name:
            description: What to call it.
            type: str
            required: true
          pem:
            description: The certificate, those that lead from it to the authority in their order, and the key, as PEM.
            type: str
            required: true
      managed:
        description:
          - Certificates that something else on this server keeps up (the role C(certificates)), in
            C(/var/lib/longshore/certificates). Until there is one HAProxy has a placeholder that nobody signed, and
            plain requests are not sent on.
          - Challenges of ACME (HTTP-01) for these names are answered.
        type: list
        elements: dict
        default: []
        suboptions:
          name:
            description: What to call it.
            type: str
            required: true
          names:
            description: The host names it is to be good for.
            type: list
            elements: str
            required: true
  settings:
    description: Of HAProxy itself. Stacks that share a server must agree in what they set.
    type: dict
    default: {}
    suboptions:
      image:
        description: Image of HAProxy 3.0 or newer.
        type: str
        default: haproxy:3.0
      http_port:
        description: Port for HTTP on all of the server's addresses.
        type: int
        default: 80
      ipv6:
        description: Whether to serve IPv6 clients where the kernel has IPv6.
        type: bool
        default: true
      ipv6_subnet:
        description: IPv6 network of the container's bridge. It is seen on this server only.
        type: str
        default: fd4c:6f6e:6773::/64
      maxconn:
        description: Connections at once. 0 for what the engine's limit of open files allows, at most 20000.
        type: int
        default: 0
      drain:
        description: After so many seconds a replaced worker ends even if connections (WebSockets, downloads) are left.
        type: int
        default: 900
      stats_address:
        description: Address of this server for the statistics page.
        type: str
        default: 127.0.0.1
      stats_port:
        description: Port for the statistics page.
        type: int
        default: 8404
      stats_user:
        description: User of the statistics page.
        type: str
        default: longshore
      stats_password:
        description: Password of the statistics page. Needed unless O(settings.stats_address) is a loopback address.
        type: str
        default: ""
      metrics_address:
        description: Address of this server for Prometheus.
        type: str
        default: 127.0.0.1
      metrics_port:
        description:
          - Port for Prometheus, which finds figures of all stacks at C(/metrics); 0 for none.
          - It asks for the user and password of the statistics, where there is one.
        type: int
        default: 0
      trusted_proxies:
        description:
          - Addresses and networks of load balancers and content networks that stand before this one.
          - They, and nobody else, are believed what O(settings.client_header), C(X-Forwarded-Proto) and
            C(X-Forwarded-Port) say.
        type: list
        elements: str
        default: []
      client_header:
        description: The header in which they tell the client's address.
        type: str
        default: x-forwarded-for
      accept_proxy:
        description: Addresses and networks whose connections begin with the PROXY protocol, always.
        type: list
        elements: str
        default: []
      timeout_connect:
        description: Seconds to connect to a server.
        type: float
        default: 2.0
      timeout_client:
        description: Seconds that a client may be silent within a request.
        type: float
        default: 60.0
      timeout_server:
        description: Seconds that a server may be silent within an answer.
        type: float
        default: 60.0
      timeout_http_request:
        description: Seconds for a request's headers to arrive.
        type: float
        default: 10.0
      timeout_http_keep_alive:
        description: Seconds that an idle client connection is kept.
        type: float
        default: 30.0
      timeout_queue:
        description: Seconds that a request waits for a server.
        type: float
        default: 10.0
      timeout_tunnel:
        description: Seconds that a WebSocket may be silent.
        type: float
        default: 3600.0
      limit_requests:
        description: Requests that one address may make within O(settings.limit_per). 0 for any number.
        type: int
        default: 0
      limit_per:
        description: The time in seconds in which O(settings.limit_requests) are counted.
        type: float
        default: 60.0
      limit_except:
        description:
          - Addresses and networks that are not counted, with blanks between.
          - Those that several stacks name count together.
        type: str
        default: ""
      limit_answer:
        description:
          - What is answered to whoever makes more requests, V(429) at once, or V(tarpit), the same after ten seconds.
        type: str
        default: "429"
      https_port:
        description: Port for HTTPS on all of the server's addresses, where a stack has O(tls).
        type: int
        default: 443
      tls_profile:
        description: Mozilla's guideline, V(intermediate) (TLS 1.2 and 1.3) or V(modern) (1.3 alone).
        type: str
        default: intermediate
      hsts:
        description: Seconds of C(Strict-Transport-Security), in which a browser comes by C(https) only; 0 for none.
        type: int
        default: 63072000
"""

EXAMPLES = r"""
- name: Serve a stack's web service
  longshore.stack.haproxy_config:
    stack: shop
    routes:
      - {host: shop.example, backend: web}
      - {host: "*.shop.example", path: /api, backend: api, sticky: true}
    backends:
      web: {service: shop_web, port: 3000, maximum: 4, check: {http: /healthz}}
      api: {servers: [{address: 192.0.2.11, port: 8080}, {address: 192.0.2.12, port: 8080}]}

- name: Serve it no longer
  longshore.stack.haproxy_config:
    stack: shop
    state: absent
"""

RETURN = r"""
changes:
  description: What was done, or would be in check mode, in a few words each.
  returned: success
  type: list
  elements: str
  sample: [write /etc/longshore/haproxy/haproxy.cfg, reload HAProxy]
interrupts:
  description: Whether nothing was changed because HAProxy would have to be restarted, and O(interrupt) forbids it.
  returned: success
  type: bool
notices:
  description: What is not served here although tasks of O(serving) are healthy. A run with notices ends degraded.
  returned: success, not because of RV(unable)
  type: list
  elements: str
reloaded:
  description: Whether the configuration was changed by a reload.
  returned: success
  type: bool
restarted:
  description: Whether the container was started or restarted.
  returned: success
  type: bool
unable:
  description: V(engine) when this server has no engine that answers.
  returned: because of it
  type: str
errors:
  description: Everything that is wrong, each with its place.
  returned: failure
  type: list
  elements: str
"""

from ansible_collections.longshore.stack.plugins.module_utils.docker_api import DockerError
from ansible_collections.longshore.stack.plugins.module_utils.haproxy_bundles import check, without_keys
from ansible_collections.longshore.stack.plugins.module_utils.haproxy_converge import converge
from ansible_collections.longshore.stack.plugins.module_utils.haproxy_docker import NoEngineError
from ansible_collections.longshore.stack.plugins.module_utils.haproxy_edge import PARTS_SPEC, ROUTE_SPEC
from ansible_collections.longshore.stack.plugins.module_utils.haproxy_model import (
    PARTS,
    SETTINGS,
    HaproxyError,
    normalize,
)
from ansible_collections.longshore.stack.plugins.module_utils.host_change import HostError
from ansible_collections.longshore.stack.plugins.module_utils.quiet_module import QuietModule
from ansible_collections.longshore.stack.plugins.module_utils.registry_auth import AUTH_SPEC, by_registry
from ansible_collections.longshore.stack.plugins.module_utils.run import ARGUMENT_SPEC as RUN
from ansible_collections.longshore.stack.plugins.module_utils.run import Cancelled, Run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_TYPES = {bool: "bool", int: "int", float: "float", str: "str", list: "list"}
ARGUMENT_SPEC = {
    "stack": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "routes": {"type": "list", "elements": "dict", "default": [], "options": ROUTE_SPEC},
    "backends": {"type": "dict", "default": {}},
    "settings": {
        "type": "dict",
        "default": {},
        "options": {
            name: {
                "type": _TYPES[type(default)],
                "default": default,
                **({"elements": "str"} if isinstance(default, list) else {}),
                **({"no_log": True} if "pass" in name else {}),
            }
            for name, default in SETTINGS.items()
        },
    },
    "tls": {
        "type": "dict",
        "options": {
            "redirect": {"type": "bool", "default": True},
            "certificates": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "name": {"type": "str", "required": True},
                    "pem": {"type": "str", "required": True, "no_log": True},
                },
            },
            "managed": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "name": {"type": "str", "required": True},
                    "names": {"type": "list", "elements": "str", "required": True},
                },
            },
        },
    },
    "interrupt": {"type": "bool", "default": True},
    "required": {"type": "bool", "default": True},
    "serving": {"type": "list", "elements": "str", "default": []},
    **PARTS_SPEC,
    "registry_auth": AUTH_SPEC,
    **RUN,
}


def _parts(asked: Mapping[str, Any]) -> dict[str, Any]:
    return {name: asked[name] for name in PARTS}


def main() -> None:
    module = QuietModule(ARGUMENT_SPEC, supports_check_mode=True)
    asked = module.params
    try:
        run = Run.of(asked)
        fragment, bundles = None, {}
        if asked["state"] == "present":
            parts = {**_parts(asked), "tls": without_keys(asked["tls"])}
            fragment = normalize(asked["stack"], asked["routes"], asked["backends"], asked["settings"], **parts)
            given = (asked["tls"] or {}).get("certificates", [])
            bundles = check(asked["stack"], {each["name"]: each["pem"] for each in given})
        auth = by_registry(asked["registry_auth"])
        result = converge(
            asked["stack"],
            fragment,
            module.check_mode,
            run,
            interrupt=asked["interrupt"],
            without_engine=asked["required"],
            serving=asked["serving"],
            auth=auth,
            bundles=bundles,
        )
    except NoEngineError as error:
        if not asked["required"]:
            module.exit_json(changed=False, unable="engine", msg=str(error))
        module.fail_json(msg=str(error), errors=error.errors, unable="engine")
    except HaproxyError as error:
        module.fail_json(msg="\n".join(error.errors), errors=error.errors)
    except (DockerError, HostError, Cancelled, ValueError) as error:
        module.fail_json(msg=str(error), errors=[str(error)])
    except OSError as error:
        module.fail_json(msg=f"{error.filename or 'the host'}: {error.strerror or error}", errors=[str(error)])
    for warning in result.pop("warnings"):
        module.warn(warning)
    if not module._diff:
        del result["diff"]
    module.exit_json(**result)


if __name__ == "__main__":
    main()
