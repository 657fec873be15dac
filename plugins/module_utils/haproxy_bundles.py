# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of certificates that HAProxy's configuration refers to: planned, written, exchanged, put back.

Private to the collection.
"""

from __future__ import annotations

import glob
import os
import time

from . import haproxy_certificates as certificates
from . import haproxy_tls as tls
from .haproxy_certificates import DIRECTORY, REDIRECTS, STORE, THUMBPRINT, Certificate, CertificateError
from .haproxy_model import HaproxyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any


def check(stack: str, given: Mapping[str, str]) -> dict[str, str]:
    """Bundles as they are written, file name → text, of those that are given, name → PEM.

    Raises ``HaproxyError`` with all that is wrong with any of them.
    """
    now = time.time()
    errors = [
        f"certificate {name}: {wrong}" for name, pem in given.items() for wrong in certificates.problems(pem, now)
    ]
    if errors:
        raise HaproxyError(errors)
    return {f"{stack}.{name}.pem": certificates.tidy(pem) for name, pem in given.items()}


def without_keys(given: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What a module was told of HTTPS, without what is secret in it."""
    if not given or not (given["certificates"] or given["managed"]):
        return None
    return {**given, "certificates": [{"name": each["name"]} for each in given["certificates"]]}


def no_longer_kept(stack: str, fragment: Mapping[str, Any] | None) -> list[str]:
    """What tells the keeper of ACME certificates to renew those of ``stack``, which has none any more."""
    if fragment and any(each["managed"] for each in (fragment.get("tls") or {}).get("certificates", [])):
        return []
    paths = (f"{certificates.BASE}/{stack}/acme.json", f"{certificates.BASE}/{stack}/acme-ca.crt")
    return [path for path in paths if os.path.exists(path)]


class Bundles:
    """What is to be done about the certificates of all stacks on this server.

    Attributes: ``paths`` (written), ``exchanges`` (of which the running HAProxy serves another),
    ``stale`` (files that nothing refers to), ``uncovered`` (hosts of routes for which there is no certificate).
    """

    def __init__(self, stack: str, fragments: Sequence[Mapping[str, Any]], given: Mapping[str, str]) -> None:
        self._fragments = [dict(fragment) for fragment in fragments]
        self._wanted = tls.bundles(fragments)
        self._texts: dict[str, str] = {}
        self.exchanges: list[str] = []
        for name, each in self._wanted.items():
            path = f"{DIRECTORY}/{name}"
            text = given.get(name) or certificates.read(path) or certificates.read(f"{STORE}/{name}")
            if not text and not each["managed"]:
                raise HaproxyError([f"{path} is missing: run the playbook of its stack again"])
            if not text or certificates.differs(path, text):
                self._texts[path] = text
            # Also what a run that was killed has written, but not exchanged.
            served = certificates.loaded(path) if text else ""
            if served and served != certificates.fingerprint(text):
                self.exchanges.append(path)
        lists = (REDIRECTS, THUMBPRINT) if self._wanted else ()
        self._lists = [path for path in lists if not os.path.exists(path)]
        self.paths = sorted(self._texts)
        known = {f"{DIRECTORY}/{name}" for name in self._wanted}
        self._own = next((fragment for fragment in self._fragments if fragment["stack"] == stack), {})
        self.stale = sorted(path for path in glob.glob(f"{DIRECTORY}/*.pem") if path not in known)
        self.stale += no_longer_kept(stack, self._own)
        self.uncovered = self._uncovered(given)
        self._old: dict[str, str] = {}

    def words(self, reload: bool) -> list[str]:
        """What is to be done, in a few words each; ``reload``: HAProxy reads all files anew."""
        words = [f"write {path}" for path in [*self.paths, *self._lists]]
        words += [] if reload else [f"exchange {path}" for path in self.exchanges]
        words += [f"remove {path}" for path in self.stale]
        return words + ["send other hosts on to https"] * (not words and self._redirects_differ())

    def diff(self) -> list[tuple[str, str, str]]:
        """Path, before and after: what the certificates say, and never a key."""
        return [(path, _told(certificates.read(path)), _told(text)) for path, text in sorted(self._texts.items())]

    def write(self) -> None:
        """Write what is new; what was there is remembered."""
        for path in self.paths:
            self._old[path] = certificates.read(path)
            names = self._wanted[os.path.basename(path)]["names"]
            certificates.write(path, self._texts[path] or certificates.placeholder(names))
        for path in self._lists:
            certificates.write(path, "", 0o644, 0)

    def restore(self) -> None:
        """Put back what was there."""
        for path, text in self._old.items():
            if text:
                certificates.write(path, text)
            elif os.path.exists(path):
                os.unlink(path)

    def exchange(self) -> None:
        """Have the running HAProxy serve what was written, without a reload."""
        try:
            for path in self.exchanges:
                certificates.exchange(path)
        except CertificateError as error:
            raise HaproxyError([str(error)]) from error

    def finish(self) -> None:
        """Send plain requests on for what is served now, and remove what nothing refers to."""
        if self._wanted:
            certificates.publish_list(REDIRECTS, "acl", certificates.redirected(self._fragments))
        for path in self.stale:
            os.unlink(path)

    def _redirects_differ(self) -> bool:
        """Whether plain requests are sent on for other names than they should be."""
        if not self._wanted:
            return False
        names = certificates.redirected(self._fragments)
        return certificates.read(REDIRECTS) != "".join(f"{name}\n" for name in names)

    def _uncovered(self, given: Mapping[str, str]) -> list[str]:
        own = self._own
        if not own.get("tls"):
            return []
        held = [Certificate(certificates.certificates_in(text)[0]) for text in given.values()]
        promised = {name for each in own["tls"]["certificates"] for name in each["names"]}
        hosts = {route["host"] for route in own["routes"] if route["host"]}
        return sorted(host for host in hosts if host not in promised and not any(each.covers(host) for each in held))


def _told(bundle: str) -> str:
    texts = certificates.certificates_in(bundle)
    if not texts:
        return ""
    one = Certificate(texts[0])
    ends = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(one.ends))
    return f"names: {', '.join(one.names)}\nissuer: {one.issuer}\nends: {ends}\nsha256: {one.sha256}\n"
