# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTPS: what certificates can be served, and what HAProxy is told of them."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.longshore.stack.plugins.module_utils import haproxy_bundles, haproxy_certificates
from ansible_collections.longshore.stack.plugins.module_utils.haproxy_bundles import Bundles, check, without_keys
from ansible_collections.longshore.stack.plugins.module_utils.haproxy_certificates import Certificate, problems, tidy
from ansible_collections.longshore.stack.plugins.module_utils.haproxy_model import HaproxyError, normalize, settings_of
from ansible_collections.longshore.stack.plugins.module_utils.haproxy_render import render
from ansible_collections.longshore.stack.plugins.module_utils.haproxy_unit import UNIT, units_of

DAY = 86400


def made(directory: Path, name: str, signer: str = "", days: int = 30) -> tuple[str, str]:
    """Certificate and key for ``name``.example, signed by ``signer``, which was made before, or by itself."""
    crt, key = directory / f"{name}.crt", directory / f"{name}.key"
    words = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", str(key)]
    words += ["-days", str(days), "-subj", f"/CN={name}.example", "-out", str(crt)]
    words += ["-addext", f"subjectAltName=DNS:{name}.example,DNS:*.{name}.example"]
    if signer:
        words += ["-CA", str(directory / f"{signer}.crt"), "-CAkey", str(directory / f"{signer}.key")]
    subprocess.run(["openssl", *words], check=True, capture_output=True)
    return crt.read_text(), key.read_text()


def fragment(**https: Any) -> dict[str, Any]:
    routes = [{"host": "shop.example", "backend": "web"}, {"host": "else.example", "backend": "web"}]
    return normalize("shop", routes, {"web": {"servers": [{"address": "192.0.2.7", "port": 80}]}}, {}, tls=https)


def test_a_bundle_in_order_has_no_problem_whatever_else_is_in_the_text(tmp_path: Path) -> None:
    root, _key = made(tmp_path, "root")
    crt, key = made(tmp_path, "shop", "root")
    bundle = f"Bag Attributes\n{key}\n\nsubject=x\n{crt}\n{root}"
    assert problems(bundle, time.time()) == []
    assert "\n\n" not in tidy(bundle)
    assert tidy(bundle).startswith("-----BEGIN CERTIFICATE-----")
    one = Certificate(crt)
    assert one.names == ["*.shop.example", "shop.example"]
    covered = [one.covers(host) for host in ("shop.example", "a.shop.example", "b.a.shop.example", "xshop.example")]
    assert covered == [True, True, False, False]


def test_everything_that_is_wrong_is_told(tmp_path: Path) -> None:
    root, _key = made(tmp_path, "root", days=365)
    crt, key = made(tmp_path, "shop", "root")
    _other, other_key = made(tmp_path, "other")
    now = time.time()
    assert problems("", now) == ["holds no certificate (PEM)", "holds no private key (PEM)"]
    assert problems(crt + root, now) == ["holds no private key (PEM)"]
    assert problems(crt + other_key, now) == ["the key is not that of the first certificate (CN=shop.example)"]
    assert "which did not sign it" in problems(crt + crt + root + key, now)[0]
    wrong = problems(root + crt + key, now)
    assert len(wrong) == 2
    assert "CN=root.example is followed by CN=shop.example, which did not sign it" in wrong[1]
    assert "the certificate ended on" in problems(crt + root + key, now + 31 * DAY)[0]
    assert "begins on" in problems(crt + root + key, now - 2 * DAY)[0]
    encrypted = key.replace("BEGIN PRIVATE", "BEGIN ENCRYPTED PRIVATE").replace("END PRIVATE", "END ENCRYPTED PRIVATE")
    assert "asks for a passphrase" in problems(crt + encrypted, now)[0]
    broken = crt.replace(crt.splitlines()[3], "x" * 64)
    assert "can't be read" in problems(broken + key, now)[0]
    with pytest.raises(HaproxyError, match="certificate own: the key is not that"):
        check("shop", {"own": crt + other_key})


def test_what_cant_be_is_refused_with_every_reason() -> None:
    settings = {"hsts": -1, "tls_profile": "old", "https_port": 80}
    https = {"certificates": [{"name": "a"}], "managed": [{"name": "a", "names": ["-"]}, {"name": "b", "names": []}]}
    with pytest.raises(HaproxyError) as caught:
        normalize("shop", [], {}, settings, tls=https)
    assert caught.value.errors == [
        "tls_profile: 'old' is not one of intermediate, modern",
        "hsts: -1 is not a time in seconds, at most ten years",
        "https_port: 80 is http_port too",
        "tls.managed[0].names: '-' is not a host name",
        "tls.managed[1].names: is for no host name",
        "tls: two certificates are named 'a'",
    ]


def test_a_fragment_is_read_as_it_was_written_and_without_https_it_is_as_before() -> None:
    one = fragment(certificates=[{"name": "own"}], managed=[{"name": "shop", "names": ["Shop.example"]}])
    assert one["tls"]["certificates"][1] == {"name": "shop", "names": ["shop.example"], "managed": True}
    assert normalize("shop", one["routes"], one["backends"], one["settings"], tls=one["tls"]) == one
    plain = normalize("shop", [], {}, {})
    assert "tls" not in plain
    assert "ssl" not in render([plain], settings_of([plain]), 1000, True)["haproxy.cfg"]
    assert without_keys({"redirect": True, "certificates": [], "managed": []}) is None


def test_the_configuration_has_what_mozilla_says_and_no_more_with_modern() -> None:
    one = fragment(managed=[{"name": "shop", "names": ["shop.example"]}])
    files = render([one], settings_of([one]), 1000, True)
    text = files["haproxy.cfg"]
    for expected in (
        "bind :443 ssl crt-list",
        "bind :::443 v6only ssl crt-list",
        "alpn h2,http/1.1",
        "ssl-min-ver TLSv1.2 no-tls-tickets",
        "x-forwarded-proto %[ssl_fc,iif(https,http)]",
        'strict-transport-security "max-age=63072000" if { ssl_fc }',
    ):
        assert expected in text
    assert text.index("lf-string") < text.index("http-request redirect")
    # Nor where a trusted proxy took the TLS off, which would send visitors round and round.
    assert "!{ ssl_fc } !{ var(txn.proto) -m str https }" in text
    assert "shop.example\n" in [its for name, its in files.items() if name.startswith("maps/challenged")]
    modern = {**settings_of([one]), "tls_profile": "modern", "hsts": 0, "https_port": 8443}
    text = render([one], modern, 1000, False)["haproxy.cfg"]
    assert "ssl-min-ver TLSv1.3" in text
    assert "ssl-default-bind-ciphers " not in text
    assert "strict-transport" not in text
    assert "https://%[var(txn.host)]:8443%[pathq]" in text


def test_the_port_is_published_where_somebody_wants_https() -> None:
    settings = settings_of([])
    path = f"/etc/systemd/system/{UNIT}"
    assert "--publish 443:443" in units_of(settings, 1000, [settings["https_port"]])[path]
    assert "443" not in units_of(settings, 1000)[path]


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Directories of a server on which HAProxy does not run."""
    (tmp_path / "tls").mkdir()
    for module in (haproxy_certificates, haproxy_bundles):
        monkeypatch.setattr(module, "DIRECTORY", str(tmp_path / "tls"))
        monkeypatch.setattr(module, "REDIRECTS", str(tmp_path / "tls/redirects"))
        monkeypatch.setattr(module, "THUMBPRINT", str(tmp_path / "tls/thumbprint"))
    monkeypatch.setattr(haproxy_bundles, "STORE", str(tmp_path / "store"))
    monkeypatch.setattr(haproxy_certificates, "BASE", str(tmp_path))
    monkeypatch.setattr(haproxy_certificates, "SOCKET", str(tmp_path / "no.sock"))
    monkeypatch.setattr(haproxy_certificates.os, "fchown", lambda *_: None)
    monkeypatch.setattr(haproxy_certificates, "USER_ID", (tmp_path).stat().st_uid)
    defaults = (0o600, tmp_path.stat().st_uid)
    monkeypatch.setattr(haproxy_certificates.differs, "__defaults__", defaults)
    monkeypatch.setattr(haproxy_certificates.write, "__defaults__", defaults)
    return tmp_path


def test_a_placeholder_serves_until_there_is_a_certificate_and_nothing_is_redirected_to_it(place: Path) -> None:
    one = fragment(managed=[{"name": "shop", "names": ["shop.example"]}])
    bundles = Bundles("shop", [one], {})
    path = f"{place}/tls/shop.shop.pem"
    assert bundles.words(reload=True)[0] == f"write {path}"
    assert bundles.uncovered == ["else.example"]
    bundles.write()
    bundles.finish()
    first = Certificate(haproxy_certificates.certificates_in(Path(path).read_text())[0])
    assert (first.is_placeholder, first.names) == (True, ["shop.example"])
    assert (place / "tls/redirects").read_text() == ""
    assert Bundles("shop", [one], {}).words(reload=False) == []
    # A keeper has got one meanwhile.
    Path(path).write_text("".join(made(place, "shop")))
    after = Bundles("shop", [one], {})
    assert after.words(reload=False) == ["send other hosts on to https"]
    after.finish()
    assert (place / "tls/redirects").read_text() == "*.shop.example\nshop.example\n"


def test_what_nobody_wants_any_more_goes_and_a_failure_leaves_what_was(place: Path) -> None:
    first, second = ("".join(made(place, name)) for name in ("one", "two"))
    one = fragment(certificates=[{"name": "own"}])
    bundles = Bundles("shop", [one], check("shop", {"own": first}))
    bundles.write()
    change = Bundles("shop", [one], check("shop", {"own": second}))
    before, after = change.diff()[0][1:]
    assert ("one.example" in before, "two.example" in after, "KEY" in before + after) == (True, True, False)
    change.write()
    change.restore()
    assert (place / "tls/shop.own.pem").read_text() == tidy(first)
    (place / "shop").mkdir()
    (place / "shop/acme.json").write_text("{}")
    last = Bundles("shop", [fragment()], {})
    assert last.words(reload=True) == [f"remove {place}/tls/shop.own.pem", f"remove {place}/shop/acme.json"]
    last.finish()
    assert not (place / "tls/shop.own.pem").exists()
