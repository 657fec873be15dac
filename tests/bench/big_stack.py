# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A large stack file: what ``validate`` is measured with."""

from __future__ import annotations

_SERVICE = """\
  web{n}:
    image: "registry.example/shop/web{n}:1.{n}"
    environment:
      LOG_LEVEL: info
      UPSTREAM: web{other}
      SESSION_KEY: "{{{{ secrets.key{secret} }}}}"
    secrets: [key{secret}]
    healthcheck: {{http: /healthz, port: 3000, interval: 2s, timeout: 2s, start_period: 10s}}
    routes:
      - {{host: shop{n}.example, port: 3000}}
      - {{host: shop{n}.example, path: /api, port: 3001, sticky: true}}
    replicas: 4
    placement: {{tags: [app], max_per_server: 3}}
    resources: {{limits: {{cpus: 0.5, memory: 512M}}}}
    update: {{order: start-first, parallelism: 2, monitor: 10s, deadline: 5m}}
    labels: {{team: shop}}
    expose: [3000]
    depends_on: {depends}
"""


def big_stack(services: int = 1000, servers: int = 50) -> str:
    """A valid stack file of this size: routes, secrets, checks, dependencies and placement in every service."""
    lines = ["plugin: longshore.stack.stack", "name: big", "servers:"]
    for n in range(servers):
        tags = "app, lb" if n < 2 else "app"
        lines.append(f"  app{n}: {{address: 198.51.{100 + n // 250}.{n % 250 + 1}, tags: [{tags}]}}")
    lines.append("secrets:")
    lines += [f"  key{n}: {{generate: 32}}" for n in range(50)]
    lines.append("services:")
    for n in range(services):
        depends = f"[web{n - 1}]" if n % 10 else "[]"
        lines.append(_SERVICE.format(n=n, other=(n * 7) % services, secret=n % 50, depends=depends).rstrip())
    return "\n".join(lines) + "\n"
