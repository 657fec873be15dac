# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a normalized service to what Swarm is told."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.longshore.stack.plugins.module_utils.desired import from_file, order
from ansible_collections.longshore.stack.plugins.module_utils.one_off import job_name, job_spec
from ansible_collections.longshore.stack.plugins.module_utils.secret_env import (
    binding,
    credential_file,
    credential_of,
    credential_path,
    env_file,
    mask,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from .conftest import desired, service
from .conftest import given as parameters

HELPER = ["/.longshore/busybox", "sh", "/.longshore/run"]
ROUTE = {"host": "a.example", "path": "/", "port": 3000, "sticky": False}
CHECK: dict[str, Any] = {
    "http": "/healthz",
    "tcp": None,
    "port": 3000,
    "test": [],
    "interval": 2.0,
    "timeout": 2.0,
    "retries": 3,
    "start_period": 10.0,
    "disable": False,
}


def spec_of(one: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return desired(one, **changes).services[one["name"]].spec


def container_of(one: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return dict(spec_of(one, **changes)["TaskTemplate"]["ContainerSpec"])


SECRET = {"environments": {"web": {"P": "x"}}}


@pytest.mark.parametrize(
    ("mine", "images", "runs"),
    [
        ({}, {"Entrypoint": ["/app"], "Cmd": ["serve"]}, ["/app", "serve"]),
        ({}, {"Entrypoint": None, "Cmd": ["/app"]}, ["/app"]),
        ({"command": ["other"]}, {"Entrypoint": ["/app"], "Cmd": ["serve"]}, ["/app", "other"]),
        ({"entrypoint": ["/mine"]}, {"Entrypoint": ["/app"], "Cmd": ["serve"]}, ["/mine"]),
        ({"entrypoint": [], "command": ["x"]}, {"Entrypoint": ["/app"], "Cmd": ["serve"]}, ["x"]),
    ],
)
def test_helper_runs_what_docker_would_have_run(mine: Any, images: Any, runs: list[str]) -> None:
    container = container_of(service(secret_environment=["P"], **mine), image=images, **SECRET)
    assert container["Command"] == HELPER
    assert container["Args"] == runs


def test_without_secrets_the_image_is_left_as_it_is() -> None:
    container = container_of(service(command=["x"]), image={"Entrypoint": ["/app"]})
    assert (container["Command"], container["Args"], container["Mounts"]) == (None, ["x"], [])


def test_names_that_no_shell_keeps_are_set_again_behind_it() -> None:
    one = service(secret_environment=["P"], environment={"discovery.type": "single-node", "A": "1"}, command=["x"])
    container = container_of(one, image={"Env": ["node.name=n", "PATH=/bin"]}, **SECRET)
    assert container["Args"] == ["/.longshore/busybox", "env", "discovery.type=single-node", "node.name=n", "x"]


@pytest.mark.parametrize(
    ("user", "uid", "mode"), [(None, "0", 0o400), ("1000:1000", "1000", 0o400), ("node", "0", 0o444)]
)
def test_secret_environment_is_readable_for_its_user_only(user: str | None, uid: str, mode: int) -> None:
    container = container_of(service(secret_environment=["P"], user=user), **SECRET)
    file = container["Secrets"][0]["File"]
    assert (file["Name"], file["UID"], file["Mode"]) == ("/run/secrets/longshore.env", uid, mode)


def test_http_check_runs_through_the_helper() -> None:
    container = container_of(service(healthcheck=CHECK))
    check = container["Healthcheck"]
    script = ["/.longshore/busybox", "sh", "/.longshore/check"]
    assert check["Test"] == ["CMD", *script, "http", "127.0.0.1", "3000", "/healthz", "2"]
    assert check["Interval"] == 2_000_000_000
    assert container["Mounts"][0]["Target"] == "/.longshore"


@pytest.mark.parametrize(
    ("changes", "image", "kind"),
    [
        ({"routes": [ROUTE]}, {}, "tcp"),
        ({"routes": [ROUTE]}, {"Healthcheck": {"Test": ["CMD", "own"]}}, None),
        ({"routes": [ROUTE]}, {"Healthcheck": {"Test": ["NONE"]}}, "tcp"),
        ({"routes": [ROUTE], "healthcheck": {"disable": True}}, {}, "NONE"),
        ({}, {}, None),
    ],
)
def test_routed_services_are_always_checked(changes: Any, image: Any, kind: str | None) -> None:
    check = container_of(service(**changes), image=image)["Healthcheck"]
    assert (kind in check["Test"]) if kind else check is None


def test_own_check_sees_the_secret_environment() -> None:
    check = {**CHECK, "http": None, "test": ["CMD-SHELL", "test $P"]}
    container = container_of(service(secret_environment=["P"], healthcheck=check), **SECRET)
    assert container["Healthcheck"]["Test"] == ["CMD", *HELPER, "/bin/sh", "-c", "test $P"]


def test_volume_is_a_directory_of_ours_on_servers_that_have_it() -> None:
    volume = {"type": "volume", "source": "up", "target": "/srv", "read_only": False, "size": None, "mode": None}
    spec = spec_of(service(volumes=[volume], placement={"tags": ["app"], "constraints": ["node.role == worker"]}))
    assert spec["TaskTemplate"]["ContainerSpec"]["Mounts"][0]["Source"] == "/var/lib/longshore/shop/volumes/up"
    assert spec["TaskTemplate"]["Placement"]["Constraints"] == [
        "node.labels.longshore.shop.tag.app==true",
        "node.labels.longshore.shop.volume.up==true",
        "node.role==worker",
    ]


def test_without_a_tag_a_service_stays_on_its_own_stacks_servers() -> None:
    placement = {"tags": [], "constraints": [], "max_per_server": None}
    anywhere = spec_of(service(placement=placement))["TaskTemplate"]["Placement"]
    assert anywhere["Constraints"] == ["node.labels.longshore.shop.member==true"]


def test_only_routed_services_join_the_edge_and_without_aliases() -> None:
    networks = spec_of(service(routes=[ROUTE]))["TaskTemplate"]["Networks"]
    assert networks == [
        {"Target": "shop_default", "Aliases": ["web", "web.shop.internal"]},
        {"Target": "shop_edge", "Aliases": []},
    ]


def test_job_has_everything_but_the_names_and_the_traffic() -> None:
    one = service(secret_environment=["P"], routes=[ROUTE], healthcheck=CHECK, before_deploy=["migrate"])
    wanted = desired(one, image={"Entrypoint": ["/app"], "Cmd": ["serve"]}, **SECRET).services["web"]
    assert wanted.before_deploy is not None
    job = job_spec("shop", "web", wanted.spec, wanted.before_deploy, "shop_edge")
    container = job["TaskTemplate"]["ContainerSpec"]
    assert container["Args"] == ["/app", "migrate"]
    assert container["Healthcheck"] == {"Test": ["NONE"]}
    assert job["TaskTemplate"]["Networks"] == [{"Target": "shop_default"}]
    assert container["Secrets"] == wanted.spec["TaskTemplate"]["ContainerSpec"]["Secrets"]
    assert len(job_name("s" * 20, "w" * 30)) <= 63


def test_everything_wrong_is_said_at_once() -> None:
    with pytest.raises(ValueError, match=r"(?s)secret k has no value.*no value for P"):
        desired(
            service(secrets=[{"source": "k", "target": "/k", "uid": "0", "gid": "0", "mode": 0}]),
            service("api", secret_environment=["P"]),
        )


@pytest.mark.parametrize("values", [{"a.b": "x"}, {"P": "a\0b"}, {"P": "x" * 600_000}])
def test_secret_values_that_can_not_be_passed_on_are_refused_without_showing_them(values: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"variable") as refused:
        desired(service(secret_environment=list(values)), environments={"web": values})
    assert "x" * 100 not in str(refused.value)


def test_order_and_circles() -> None:
    started = {"condition": "service_started"}
    wanted = desired(service("a", depends_on={"b": started}), service("b", depends_on={"c": started}), service("c"))
    assert order(wanted) == ["c", "b", "a"]
    with pytest.raises(ValueError, match="a → b → a"):
        desired(service("a", depends_on={"b": started}), service("b", depends_on={"a": started}))


def test_mask_hides_each_line_of_a_value() -> None:
    assert mask("x first-line y\nsecond-line", ["first-line\nsecond-line", "ab"]) == "x **** y\n****"


@given(
    st.dictionaries(
        st.from_regex(r"[A-Z_][A-Z0-9_]{0,8}", fullmatch=True),
        st.text(st.characters(exclude_characters="\0", codec="utf-8")),
    )
)
@settings(max_examples=40, deadline=None)
def test_a_shell_gets_the_very_values(values: dict[str, str]) -> None:
    names = sorted(f"V_{name}" for name in values)
    content = env_file({f"V_{name}": value for name, value in values.items()})
    script = content + b"".join(b'printf "%s\\0" "$' + name.encode() + b'"\n' for name in names)
    shown = subprocess.run(["/bin/sh"], input=script, capture_output=True, check=True).stdout
    assert shown.split(b"\0")[:-1] == [values[name[2:]].encode() for name in names]


PASSWORD = "it's $HOME `id`"
LOGINS = {"my-db": {"user": "my_db_2", "password": PASSWORD}, "other": {"user": "o", "password": "p"}}


def bound_service(**changes: Any) -> Any:
    """A service that is bound to one database."""
    value = f"postgresql://{binding('my-db', 'user')}:{binding('my-db', 'password')}@my-db/x'y"
    environments = {"web": {"URL": value, "USER": binding("my-db", "user"), "PLAIN": "$x"}}
    return desired(
        service(secret_environment=["URL", "USER", "PLAIN"], **changes), environments=environments, credentials=LOGINS
    )


def test_a_credential_may_stand_in_a_url_as_it_is_escaped_there() -> None:
    login = {"user": "a@b", "password": PASSWORD, "url_user": "a%40b", "url_password": "it%27s"}
    value = f"x://{binding('crm', 'url_user')}:{binding('crm', 'url_password')}@h"
    read = f". {credential_path('crm')}\n".encode()
    script = env_file({"URL": value}).replace(read, credential_file("crm", login))
    shown = subprocess.run(["/bin/sh"], input=script + b'printf %s "$URL"', capture_output=True, check=True).stdout
    assert shown == b"x://a%40b:it%27s@h"
    # What others have is as it was: another content would be another secret, and restart all who use it.
    assert credential_file("my-db", LOGINS["my-db"]).count(b"\n") == 2


def test_a_credential_is_in_a_secret_of_its_own(tmp_path: Path) -> None:
    wanted = bound_service(user="1000")
    mounted = wanted.services["web"].spec["TaskTemplate"]["ContainerSpec"]["Secrets"]
    files = {each["File"]["Name"]: each for each in mounted}
    assert list(files) == ["/run/secrets/longshore.env", "/run/secrets/longshore.database.my-db.env"]
    assert {(each["File"]["UID"], each["File"]["Mode"]) for each in mounted} == {("1000", 0o400)}
    contents = {path: wanted.secrets[each["SecretName"]] or b"" for path, each in files.items()}
    environment = contents["/run/secrets/longshore.env"]
    assert b"my_db_2" not in environment
    assert PASSWORD.encode() not in environment
    place = tmp_path / "credential"
    place.write_bytes(contents[credential_path("my-db")])
    script = (
        environment.decode().replace(credential_path("my-db"), str(place)) + 'printf "%s\\0" "$URL" "$USER" "$PLAIN"\n'
    )
    shown = subprocess.run(["/bin/sh"], input=script.encode(), capture_output=True, check=True).stdout.decode()
    assert shown.split("\0")[:-1] == [f"postgresql://my_db_2:{PASSWORD}@my-db/x'y", "my_db_2", "$x"]


def test_owner_and_reader_of_a_database_are_told_apart(tmp_path: Path) -> None:
    logins = {"db": {"user": "o", "password": "1"}, "db.reader": {"user": "r", "password": "2"}}
    values = {"A": f"{binding('db', 'user')}:{binding('db', 'password')}", "B": binding("db.reader", "user")}
    script = env_file({**values, "C": binding("db.reader", "password")}).decode()
    for name, login in logins.items():
        (tmp_path / name).write_bytes(credential_file(name, login))
        assert credential_of(credential_path(name)) == name
        script = script.replace(credential_path(name), str(tmp_path / name))
    shown = subprocess.run(["/bin/sh"], input=f'{script}printf %s "$A $B $C"'.encode(), capture_output=True, check=True)
    assert shown.stdout == b"o:1 r 2"


def test_a_credential_that_nobody_knows_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="service web: no credential of the database gone"):
        desired(service(secret_environment=["P"]), environments={"web": {"P": binding("gone", "password")}})


def mount(source: str) -> dict[str, Any]:
    return {"source": source, "target": f"/run/{source}", "uid": "0", "gid": "0", "mode": 0o400}


def test_what_swarm_would_not_keep_is_refused_by_name() -> None:
    one = service(secrets=[mount("empty"), mount("blank"), mount("huge")], configs=[mount("none"), mount("fine")])
    secrets = {"empty": "", "blank": " \n", "huge": "x" * 512000}
    with pytest.raises(ValueError, match="is empty") as caught:
        desired(one, {**one, "name": "web"}, secrets=secrets, configs={"none": "", "fine": " "})
    said = str(caught.value).splitlines()
    assert [line.split(" is ")[0] for line in said] == [
        "service web: the secret empty",
        "service web: the secret blank",
        "service web: the secret huge",
        "service web: the config none",
    ]


def test_the_longest_names_fit_into_swarms_limit_and_others_stay() -> None:
    def name(of: str) -> str:
        one = service(of, secret_environment=["P"])
        (found,) = desired(one, environments={of: {"P": "v"}}).secrets
        return found

    assert name("web").startswith("shop_web.env.")
    stack = parameters(service("s" * 30, secret_environment=["P"]), environments={"s" * 30: {"P": "v"}})
    (found,) = from_file(replace(stack, stack="t" * 20), b"key", lambda _service, _image: {}).secrets
    assert len(found) == 64
    assert found.startswith(f"{'t' * 20}_{'s' * 30}.e.")
