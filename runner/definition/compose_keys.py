# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every key of a Compose service, and what Longshore does with it: for the errors, the import and the reference."""

from __future__ import annotations

from typing import NamedTuple

SUPPORTED = "supported"
NOT_YET = "not supported yet"
REFUSED = "refused"


class ComposeKey(NamedTuple):
    """``note``: a difference to Compose (supported), or the reason and the cure (refused)."""

    status: str
    note: str = ""


_LIMITS = "write resources: {limits: {…}}"

SERVICE_KEYS: dict[str, ComposeKey] = {
    "annotations": ComposeKey(REFUSED, "Swarm has no annotations; use labels"),
    "attach": ComposeKey(REFUSED, "it is about the terminal of 'docker compose up'; read output with 'longshore logs'"),
    "blkio_config": ComposeKey(REFUSED, "Swarm cannot limit block I/O of a service"),
    "build": ComposeKey(
        SUPPORTED, "git, path, ref, context, dockerfile, target and args; Compose's context alone is a directory"
    ),
    "cap_add": ComposeKey(SUPPORTED),
    "cap_drop": ComposeKey(SUPPORTED),
    "cgroup": ComposeKey(REFUSED, "Swarm always gives a service's container its own cgroup namespace"),
    "cgroup_parent": ComposeKey(REFUSED, f"Swarm has no parent cgroup for services; {_LIMITS}"),
    "command": ComposeKey(SUPPORTED),
    "configs": ComposeKey(SUPPORTED),
    "container_name": ComposeKey(
        REFUSED,
        "a service has several tasks, and an update has old and new ones; others reach it by the service's name",
    ),
    "cpu_count": ComposeKey(REFUSED, "it is for Windows; write resources: {limits: {cpus: …}}"),
    "cpu_percent": ComposeKey(REFUSED, "it is for Windows; write resources: {limits: {cpus: …}}"),
    "cpu_period": ComposeKey(REFUSED, "write resources: {limits: {cpus: …}}, cpu_quota divided by cpu_period"),
    "cpu_quota": ComposeKey(REFUSED, "write resources: {limits: {cpus: …}}, cpu_quota divided by cpu_period"),
    "cpu_rt_period": ComposeKey(REFUSED, "Swarm has no real-time scheduling"),
    "cpu_rt_runtime": ComposeKey(REFUSED, "Swarm has no real-time scheduling"),
    "cpu_shares": ComposeKey(REFUSED, "Swarm has no shares; write resources: {reservations: {cpus: …}}"),
    "cpus": ComposeKey(REFUSED, "write resources: {limits: {cpus: …}}"),
    "cpuset": ComposeKey(REFUSED, "Swarm does not pin services to processors"),
    "credential_spec": ComposeKey(REFUSED, "it is for Windows"),
    "depends_on": ComposeKey(
        SUPPORTED, "a deploy handles services in this order; service_completed_successfully: use before_deploy"
    ),
    "deploy": ComposeKey(
        REFUSED,
        "its keys stand in the service: replicas, mode, endpoint_mode, labels, resources, placement, restart, update",
    ),
    "develop": ComposeKey(REFUSED, "it is for a developer's own machine"),
    "device_cgroup_rules": ComposeKey(REFUSED, "Swarm gives services no devices"),
    "devices": ComposeKey(REFUSED, "Swarm gives services no devices; run what needs one outside of the stack"),
    "dns": ComposeKey(SUPPORTED),
    "dns_opt": ComposeKey(NOT_YET),
    "dns_search": ComposeKey(SUPPORTED),
    "domainname": ComposeKey(REFUSED, "Swarm has no domain name for services; write the whole name as hostname"),
    "driver_opts": ComposeKey(REFUSED, "options of network drivers are not for services; see networks"),
    "entrypoint": ComposeKey(SUPPORTED),
    "env_file": ComposeKey(SUPPORTED, "values are not secret: 'docker inspect' shows them"),
    "environment": ComposeKey(
        SUPPORTED, "every name needs a value; the operator's own environment is {{ lookup('env', 'NAME') }}"
    ),
    "expose": ComposeKey(SUPPORTED),
    "extends": ComposeKey(REFUSED, "use a YAML anchor and '<<: *name', or an overlay for an environment"),
    "external_links": ComposeKey(REFUSED, "links are gone from Docker; use networks and the service's name"),
    "extra_hosts": ComposeKey(SUPPORTED, "without host-gateway"),
    "gpus": ComposeKey(REFUSED, "Swarm gives services no devices"),
    "group_add": ComposeKey(NOT_YET),
    "healthcheck": ComposeKey(SUPPORTED, "with http and tcp besides; interval is 5s, timeout 3s by default"),
    "hostname": ComposeKey(SUPPORTED),
    "image": ComposeKey(SUPPORTED, "either image or build"),
    "init": ComposeKey(SUPPORTED),
    "ipc": ComposeKey(REFUSED, "Swarm always gives a container its own IPC namespace"),
    "isolation": ComposeKey(REFUSED, "it is for Windows"),
    "label_file": ComposeKey(NOT_YET),
    "labels": ComposeKey(SUPPORTED),
    "links": ComposeKey(REFUSED, "services on one network reach each other by name; use depends_on for the order"),
    "logging": ComposeKey(SUPPORTED),
    "mac_address": ComposeKey(REFUSED, "Swarm chooses addresses itself"),
    "mem_limit": ComposeKey(REFUSED, "write resources: {limits: {memory: …}}"),
    "mem_reservation": ComposeKey(REFUSED, "write resources: {reservations: {memory: …}}"),
    "mem_swappiness": ComposeKey(REFUSED, "set vm.swappiness for the server: sysctl at the top of the file"),
    "memswap_limit": ComposeKey(REFUSED, "Swarm limits memory without swap"),
    "models": ComposeKey(REFUSED, "language models are not a server's business; run one as a service"),
    "network_mode": ComposeKey(NOT_YET, "until then: networks, and ports in host mode"),
    "networks": ComposeKey(SUPPORTED, "with aliases; Swarm chooses addresses itself"),
    "oom_kill_disable": ComposeKey(REFUSED, "Swarm has no such setting; reserve enough memory"),
    "oom_score_adj": ComposeKey(NOT_YET),
    "pid": ComposeKey(REFUSED, "Swarm always gives a container its own process namespace"),
    "pids_limit": ComposeKey(REFUSED, "write resources: {limits: {pids: …}}"),
    "platform": ComposeKey(NOT_YET, "until then: placement: {constraints: [node.platform.arch == x86_64]}"),
    "ports": ComposeKey(
        SUPPORTED, "in host mode: the servers that run a task answer on all addresses; for HTTP use routes"
    ),
    "post_start": ComposeKey(REFUSED, "Swarm has no hooks; use before_deploy, or the image's entrypoint"),
    "pre_stop": ComposeKey(REFUSED, "Swarm has no hooks; let the program handle stop_signal within stop_grace_period"),
    "privileged": ComposeKey(REFUSED, "Swarm runs no privileged containers; cap_add gives what is really needed"),
    "profiles": ComposeKey(REFUSED, "what an environment has is said by its overlay, such as shop.staging.yml"),
    "provider": ComposeKey(REFUSED, "it runs a program of the developer's machine"),
    "pull_policy": ComposeKey(REFUSED, "a deploy always resolves the tag and pulls that digest onto every server"),
    "pull_refresh_after": ComposeKey(
        REFUSED, "a deploy always resolves the tag and pulls that digest onto every server"
    ),
    "read_only": ComposeKey(SUPPORTED),
    "restart": ComposeKey(SUPPORTED, "always by default; also a mapping: condition, delay, max_attempts, window"),
    "runtime": ComposeKey(
        REFUSED, "Swarm runs services with the server's default runtime; set it in docker: {daemon: …}"
    ),
    "scale": ComposeKey(REFUSED, "write replicas"),
    "secrets": ComposeKey(SUPPORTED),
    "security_opt": ComposeKey(NOT_YET),
    "shm_size": ComposeKey(SUPPORTED),
    "stdin_open": ComposeKey(SUPPORTED),
    "stop_grace_period": ComposeKey(SUPPORTED),
    "stop_signal": ComposeKey(SUPPORTED),
    "storage_opt": ComposeKey(REFUSED, "Swarm has no storage options for services"),
    "sysctls": ComposeKey(SUPPORTED),
    "tmpfs": ComposeKey(SUPPORTED, "with size and mode"),
    "tty": ComposeKey(SUPPORTED),
    "ulimits": ComposeKey(SUPPORTED),
    "use_api_socket": ComposeKey(
        REFUSED, "the Docker socket is root on the server; mount it as a volume if it must be"
    ),
    "user": ComposeKey(SUPPORTED),
    "userns_mode": ComposeKey(
        REFUSED, "Swarm runs services with the server's user namespace; set it in docker: {daemon: …}"
    ),
    "uts": ComposeKey(REFUSED, "Swarm always gives a container its own host name"),
    "volumes": ComposeKey(
        SUPPORTED, "named volumes of this file, and absolute directories of the server; no volume without a name"
    ),
    "volumes_from": ComposeKey(REFUSED, "name the volume in both services"),
    "working_dir": ComposeKey(SUPPORTED),
}

# Keys that Compose has elsewhere: what to write instead.
ELSEWHERE: dict[tuple[str, ...], str] = {
    ("version",): "Compose ignores it; remove it",
    ("include",): "one file is one stack; an environment has its overlay, such as shop.staging.yml",
    ("models",): "language models are not a server's business; run one as a service",
    ("secrets", "*", "environment"): "write env",
    ("secrets", "*", "external"): "the stack makes its secrets; say where the value comes from: generate, env or file",
    ("configs", "*", "external"): "the stack makes its configs; give file or content",
    ("configs", "*", "environment"): "give file or content",
    ("volumes", "*", "driver"): "write type: local, shared or nfs",
    ("volumes", "*", "driver_opts"): "write type: local, shared or nfs",
    ("volumes", "*", "external"): "the stack makes its volumes under its own name",
    ("networks", "*", "driver"): "networks are always overlays",
    ("networks", "*", "external"): "a stack's networks are its own",
    ("networks", "*", "ipam"): "addresses come from the Swarm's pool: swarm: {address_pools: […]}",
    ("services", "*", "depends_on", "*", "restart"): NOT_YET,
    ("services", "*", "update", "failure_action"): "write on_failure",
    ("services", "*", "update", "max_failure_ratio"): "one task that fails is a deploy that failed; see on_failure",
    ("services", "*", "placement", "preferences"): "Swarm spreads tasks over the servers by itself",
    ("services", "*", "placement", "max_replicas_per_node"): "write max_per_server",
    ("services", "*", "networks", "*", "ipv4_address"): "Swarm chooses addresses itself",
    ("services", "*", "networks", "*", "ipv6_address"): "Swarm chooses addresses itself",
    ("services", "*", "ports", "*", "host_ip"): "Swarm publishes on every address of the server",
    ("services", "*", "resources", "reservations", "devices"): "Swarm gives services no devices",
    **{
        ("services", "*", "build", key): NOT_YET
        for key in (
            *("additional_contexts", "dockerfile_inline", "extra_hosts", "labels", "network", "platforms", "secrets"),
            *("shm_size", "ssh", "ulimits"),
        )
    },
    ("services", "*", "build", "cache_from"): "builders keep their own cache",
    ("services", "*", "build", "cache_to"): "builders keep their own cache",
    ("services", "*", "build", "entitlements"): "builds get no privileges on the server",
    ("services", "*", "build", "isolation"): "it is for Windows",
    ("services", "*", "build", "no_cache"): "the same commit gives the same image; its cache is the builders'",
    ("services", "*", "build", "privileged"): "builds get no privileges on the server",
    ("services", "*", "build", "provenance"): NOT_YET,
    ("services", "*", "build", "pull"): "a build always asks for the newest base image",
    ("services", "*", "build", "sbom"): NOT_YET,
    ("services", "*", "build", "tags"): "an image is named after its service and its commit",
    ("services", "*", "volumes", "*", "bind"): "a directory of the server is mounted as it is, and has to be there",
    ("services", "*", "volumes", "*", "consistency"): "Docker ignores it; remove it",
    ("services", "*", "volumes", "*", "image"): NOT_YET,
    ("services", "*", "volumes", "*", "volume"): "a volume is a directory of one server, mounted as it is",
    ("services", "*", "networks", "*", "driver_opts"): "options of network drivers are not for services",
    ("services", "*", "networks", "*", "gw_priority"): NOT_YET,
    ("services", "*", "networks", "*", "interface_name"): "Swarm names interfaces itself",
    ("services", "*", "networks", "*", "link_local_ips"): "Swarm chooses addresses itself",
    ("services", "*", "networks", "*", "mac_address"): "Swarm chooses addresses itself",
    ("services", "*", "networks", "*", "priority"): "Swarm joins networks in an order of its own",
    **{
        (section, "*", key): words
        for section in ("secrets", "configs", "volumes", "networks")
        for key, words in (("name", "names on the servers are made from the stack's"), ("labels", NOT_YET))
    },
    **{
        (section, "*", key): "values come from the stack file"
        for section, key in (
            ("secrets", "driver"),
            ("secrets", "driver_opts"),
            ("secrets", "template_driver"),
            ("configs", "template_driver"),
        )
    },
    ("networks", "*", "driver_opts"): "write encrypted: true for IPsec",
    ("networks", "*", "enable_ipv4"): "networks between servers have IPv4",
    ("networks", "*", "enable_ipv6"): NOT_YET,
}
