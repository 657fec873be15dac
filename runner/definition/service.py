# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service: Compose's keys with Compose's meaning, and ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import PrivateAttr, model_validator

from .base import BOOLEAN, INTEGER, NULL, TEXT, TEXTS, Flag, Model, Short, many, one
from .edge import RouteRules
from .healthcheck import Healthcheck
from .mounts import ExposeItem, GrantItem, MountItem, PortItem, TmpfsItem
from .normalize import normalized
from .scalars import (
    Address,
    Capability,
    Command,
    Cpus,
    Duration,
    EnvironmentName,
    Image,
    Pairs,
    Port,
    RouteHost,
    ServiceName,
    Signal,
    Size,
    Tag,
    Texts,
    Whole,
    is_address,
    matching,
    pairs,
)
from .values import SecretText, is_secret, unbound_databases

if TYPE_CHECKING:
    from .edge import TcpPort
    from .stack import Stack


class GitLogin(Model):
    """How to log in to the repository's server: a password for https, or a key for SSH."""

    username: SecretText | None = one("The user, for https; default: git, which servers that take tokens ignore.", None)
    password: SecretText | None = one("Password or token: a Vault value, {{ lookup(…) }} or {{ secrets.NAME }}.", None)
    ssh_key: SecretText | None = one("Private key: a Vault value, {{ lookup(…) }} or {{ secrets.NAME }}.", None)
    known_hosts: str | None = one(
        "A file with the server's keys, for SSH; without one they are learned at the first build and checked from then "
        "on.",
        None,
        min_length=1,
    )

    @model_validator(mode="after")
    def _one(self) -> GitLogin:
        if (self.password is None) == (self.ssh_key is None):
            raise ValueError("needs exactly one of password and ssh_key")
        for name, other in (("username", self.password), ("known_hosts", self.ssh_key)):
            if getattr(self, name) is not None and other is None:
                raise ValueError(f"{name} belongs to {'password' if name == 'username' else 'ssh_key'}")
        for name in ("password", "ssh_key"):
            if (value := getattr(self, name)) is not None and not is_secret(value):
                raise ValueError(f"{name} is a plain value in the file; encrypt it with ansible-vault encrypt_string")
        return self


class Build(Model):
    """How the image is made, on a server tagged build."""

    git: str | None = one("The repository's URL.", None, min_length=1)
    path: str | None = one("A directory, relative to the stack file, instead of git.", None, min_length=1)
    ref: str | None = one("Branch, tag or commit; default: the repository's own default branch.", None, min_length=1)
    context: str = one("The directory to build in, within the repository or path.", ".")
    dockerfile: str = one("The Dockerfile, relative to context.", "Dockerfile")
    target: str | None = one("The stage to build; default: the last.", None, min_length=1)
    args: Pairs = many("Build arguments. They stay readable in the image: no place for secrets.", dict)
    auth: GitLogin | None = one("How to log in to the repository's server.", None)


def _build_form(value: Any) -> Any:
    """A directory or a Git URL as a mapping; Compose's ``context`` alone is the directory."""
    if isinstance(value, str):
        if value.startswith(("http://", "https://", "git://", "ssh://", "git@")):
            url, _, fragment = value.partition("#")
            ref, _, context = fragment.partition(":")
            return {"git": url, **({"ref": ref} if ref else {}), **({"context": context} if context else {})}
        return {"path": value}
    if isinstance(value, dict) and "git" not in value and "path" not in value and isinstance(value.get("context"), str):
        return {**value, "path": value["context"], "context": "."}
    return value


class Route(RouteRules):
    """Requests that the load balancers send to the service."""

    port: Port = one("The container's port.")
    redirect_from: Annotated[list[RouteHost], Short(lambda v: [v] if isinstance(v, str) else v, TEXT)] = many(
        "Other host names, such as www.shop.example, that are redirected to this one.", list
    )


class Placement(Model):
    """Where tasks may run."""

    tags: Annotated[list[Tag], Short(lambda v: [v] if isinstance(v, str) else v, TEXT)] = many(
        "Only servers that have all of these tags.", list
    )
    max_per_server: Whole | None = one("At most so many tasks on one server.", None, ge=1, le=10000)
    constraints: Texts = many("Further constraints in Swarm's words, such as node.labels.disk == ssd.", list)


class Limits(Model):
    """What a task may use at most."""

    cpus: Cpus | None = one("Processors, such as 0.5.", None)
    memory: Size | None = one("Memory; a task that takes more is killed.", None, ge=4 * 1024 * 1024)
    pids: Whole | None = one("Processes and threads.", None, ge=1)


class Reservations(Model):
    """What a server must have free for a task."""

    cpus: Cpus | None = one("Processors.", None)
    memory: Size | None = one("Memory.", None)


class Resources(Model):
    """What a task gets."""

    limits: Limits = many("At most.", Limits)
    reservations: Reservations = many("At least.", Reservations)


class Update(Model):
    """How a deploy replaces tasks."""

    order: Literal["start-first", "stop-first"] | None = one(
        "start-first: a new task is healthy before an old one stops. Default: start-first, but stop-first where two "
        "tasks can't be side by side: with a local volume or a fixed port of the server.",
        None,
    )
    parallelism: Whole = one("So many tasks at a time.", 1, ge=1, le=10000)
    delay: Duration = one("Time between two steps.", 0.0)
    monitor: Duration = one("A new task has to stay healthy so long.", 10.0)
    deadline: Duration = one("A deploy that takes longer has failed.", 300.0, gt=0)
    on_failure: Literal["rollback", "pause"] = one(
        "rollback brings the old version back; pause leaves all as it is.", "rollback"
    )


class Restart(Model):
    """When Swarm starts a task again."""

    condition: Literal["any", "on-failure", "none"] = one("any: always.", "any")
    delay: Duration = one("Time before the next start, on a lost server's successor too.", 2.0)
    max_attempts: Whole | None = one("Give up after so many.", None, ge=0)
    window: Duration | None = one("A start counts as good after this time.", None)


def _restart_form(value: Any) -> Any:
    """Compose's words as a mapping."""
    if not isinstance(value, str):
        return {"condition": "none"} if value is False else value
    word, _, attempts = value.partition(":")
    conditions = {
        "always": "any",
        "unless-stopped": "any",
        "any": "any",
        "on-failure": "on-failure",
        "no": "none",
        "none": "none",
    }
    if word not in conditions or (attempts and (word != "on-failure" or not attempts.isdecimal())):
        raise ValueError("must be always, unless-stopped, on-failure, on-failure:3 or no")
    return {"condition": conditions[word], **({"max_attempts": int(attempts[:9])} if attempts else {})}


class Logging(Model):
    """Where the output goes."""

    driver: str | None = one("Docker's log driver; default: the servers' own.", None, min_length=1)
    options: Pairs = many("Its options.", dict)


class NetworkUse(Model):
    """A service on a network."""

    aliases: list[Address] = many("Further names of the service there.", list)


class Dependency(Model):
    """What has to be there first."""

    condition: Literal["service_started", "service_healthy"] = one("How far it has to be.", "service_started")
    required: Literal[True] = one("Always true here.", True)


class Ulimit(Model):
    """A limit of setrlimit(2)."""

    soft: Whole = one("What a process gets.", ge=-1)
    hard: Whole = one("What it can raise it to.", ge=-1)


class EnvFile(Model):
    """A file of NAME=value lines."""

    path: str = one("The file, relative to the stack file.", min_length=1)
    required: Flag = one("Its absence is an error.", True)


def _named(value: Any) -> Any:
    """A list of names as a mapping of defaults; null stands for defaults too."""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return {item: {} for item in value}
    if isinstance(value, dict):
        return {name: {} if item is None else item for name, item in value.items()}
    return value


def _hosts(value: Any) -> Any:
    """``{name: address}`` and ``[name=address]`` as ``[name:address]``."""
    if isinstance(value, dict):
        entries = [(name, one) for name, item in value.items() for one in (item if isinstance(item, list) else [item])]
    elif isinstance(value, list) and all(isinstance(item, str) for item in value):
        entries = [item.split("=" if "=" in item else ":", 1) for item in value]
    else:
        return value
    result = []
    for entry in entries:
        name, address = entry if len(entry) == 2 else (entry[0], "")
        if not isinstance(address, str) or not is_address(address.strip("[]")) or not is_address(name):
            raise ValueError(f"must be a host name and its IP address, not {f'{name}:{address}'[:60]!r}")
        result.append(f"{name}:{address.strip('[]')}")
    return result


def _env_file(value: Any) -> Any:
    """A path alone as a mapping."""
    return {"path": value} if isinstance(value, str) else value


_LISTED = Short(_named, TEXTS, entries=(NULL,))
EnvFileItem = Annotated[EnvFile, Short(_env_file, TEXT)]
EnvironmentValues = Annotated[dict[EnvironmentName, SecretText], Short(pairs, TEXTS, entries=(BOOLEAN,))]


def _ulimit(value: Any) -> Any:
    """One number for both limits."""
    if isinstance(value, int) and not isinstance(value, bool):
        return {"soft": value, "hard": value}
    if isinstance(value, dict):
        return value
    raise ValueError("must be a number, or a mapping of soft and hard")


Ulimits = dict[str, Annotated[Ulimit, Short(_ulimit, INTEGER)]]


class Service(Model):
    """One service: its image, how it runs, and who reaches it."""

    image: Image | None = one("The image. Its tag is resolved to a digest when it is deployed.", None)
    build: Annotated[Build, Short(_build_form, TEXT)] | None = one("Makes the image, instead of image.", None)
    command: Command | None = one("Instead of the image's command; text is split into words, without a shell.", None)
    entrypoint: Command | None = one("Instead of the image's entrypoint.", None)
    environment: EnvironmentValues = many(
        "Environment variables. Values from Vault, {{ secrets.NAME }} or {{ lookup(…) }} never enter the service's "
        "definition: docker inspect does not show them.",
        dict,
    )
    env_file: Annotated[list[EnvFileItem], Short(lambda v: v if isinstance(v, list) else [v], single=True)] = many(
        "Files of NAME=value lines, read when the stack file is; environment wins. Their values are not secret.", list
    )
    secrets: list[GrantItem] = many("Secrets of this file as files in the container.", list)
    configs: list[GrantItem] = many("Configs of this file as files in the container.", list)
    healthcheck: Healthcheck | None = one("How a task is checked. A routed service without one gets a TCP check.", None)
    mode: Literal["replicated", "global"] = one("global: one task on every server that fits.", "replicated")
    replicas: Whole = one("How many tasks.", 1, ge=0, le=10000)
    placement: Placement = many("Where tasks may run.", Placement)
    resources: Resources = many("What a task gets.", Resources)
    update: Update = many("How a deploy replaces tasks.", Update)
    restart: Annotated[Restart, Short(_restart_form, TEXT)] = many("When Swarm starts a task again.", Restart)
    stop_grace_period: Duration = one("Time between the stop signal and the kill.", 10.0)
    stop_signal: Signal | None = one("Sent to stop a task; default: the image's own, else SIGTERM.", None)
    init: Flag | None = one("Run a small init as process 1.", None)
    user: str | None = one("User, or user:group, in the container.", None, min_length=1, max_length=64)
    working_dir: str | None = one("The working directory.", None, **matching(r"^/", "must be an absolute path"))
    hostname: str | None = one(
        "The container's host name; Docker's {{.Node.Hostname}} templates work.", None, min_length=1, max_length=253
    )
    labels: Annotated[
        dict[str, str],
        Short(
            lambda v: {k: "" if i is None else i for k, i in p.items()} if isinstance(p := pairs(v), dict) else p,
            TEXTS,
            entries=(BOOLEAN, NULL),
        ),
    ] = many("Labels of the service's containers.", dict)
    cap_add: list[Capability] = many("Capabilities to add.", list)
    cap_drop: list[Capability] = many("Capabilities to drop.", list)
    sysctls: Pairs = many("Kernel settings in the container.", dict)
    ulimits: Ulimits = many("Limits such as nofile: one number, or soft and hard.", dict)
    dns: Annotated[list[Address], Short(lambda v: [v] if isinstance(v, str) else v, TEXT)] = many("Name servers.", list)
    dns_search: Texts = many("Search domains.", list)
    extra_hosts: Annotated[list[str], Short(_hosts, {"type": "object"})] = many("Further lines of /etc/hosts.", list)
    read_only: Flag = one("The container's own file system can't be written to.", False)
    tty: Flag = one("A terminal.", False)
    stdin_open: Flag = one("Standard input stays open.", False)
    logging: Logging | None = one("Where the output goes.", None)
    volumes: list[MountItem] = many("What is mounted: 'volume:/path', '/directory/of/the/server:/path'.", list)
    tmpfs: Annotated[list[TmpfsItem], Short(lambda v: [v] if isinstance(v, str) else v, TEXT)] = many(
        "Paths in memory: /run, or /run:size=64m,mode=1777.", list
    )
    shm_size: Size | None = one("The size of /dev/shm.", None)
    networks: Annotated[dict[str, NetworkUse], _LISTED] = many("Networks of this file; default: default.", dict)
    ports: list[PortItem] = many("Ports on the servers that run a task: '8080:80'.", list)
    expose: list[ExposeItem] = many("Ports that other services use; a remark.", list)
    routes: list[Route] = many("What the load balancers send here.", list)
    depends_on: Annotated[dict[ServiceName, Dependency], _LISTED] = many("Services that a deploy handles first.", dict)
    before_deploy: Command | None = one(
        "Runs on the new image before tasks are replaced, at least once per release and never twice at a time; "
        "a failure ends the deploy.",
        None,
    )
    endpoint_mode: Literal["dnsrr", "vip"] = one(
        "dnsrr: the name has every task's address. vip: one virtual address; needs IPVS.", "dnsrr"
    )

    _name: str = PrivateAttr("")
    _stack: Stack | None = PrivateAttr(None)
    _file_environment: dict[str, str] = PrivateAttr(default_factory=dict)

    @property
    def name(self) -> str:
        """Its name in the stack file."""
        return self._name

    @property
    def stack(self) -> Stack:
        """The stack that it belongs to."""
        if self._stack is None:
            raise RuntimeError("a service is known in full by the stack that was loaded")
        return self._stack

    @property
    def tcp_ports(self) -> list[TcpPort]:
        """The load balancers' ports that pass TCP on to it."""
        balancer = self._stack.load_balancer if self._stack is not None else None
        return [port for port in balancer.ports if port.service == self._name] if balancer is not None else []

    @property
    def port_to_check(self) -> int | None:
        """The port of ``http`` and ``tcp`` checks that name none: the first route's, else the only exposed one."""
        if self.routes:
            return self.routes[0].port
        for port in self.tcp_ports:
            return port.target or port.published
        if len(self.expose) == 1 and "-" not in self.expose[0]:
            return int(self.expose[0])
        return None

    def add_environment(self, values: dict[str, str]) -> None:
        """Add the values of an environment file; a later file wins."""
        self._file_environment.update(values)

    def values(self) -> dict[str, str]:
        """The whole environment: the files' values, then environment's."""
        return {**self._file_environment, **self.environment}

    def secret_values(self) -> dict[str, str]:
        """The secret part of the environment: VaultValue, or text with its ``{{ … }}`` unresolved."""
        return {name: value for name, value in self.environment.items() if is_secret(value)}

    def unbound(self, database: str) -> list[str]:
        """The variables that a filter makes the password of this database a part of."""
        return [name for name, value in self.secret_values().items() if database in unbound_databases(value)]

    def normalized(self) -> dict[str, Any]:
        """JSON data with every default filled in (docs/architecture.md, "Normalized service")."""
        return normalized(self)
