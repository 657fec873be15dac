# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a stack file says of attacks is what they meet, at each of the load balancers."""

from __future__ import annotations

from .support import Lab, StackFile, longshore, until
from .test_routes import BALANCERS, meets
from .test_up import changed_tasks

ATTACK = "/?id=1%27%20OR%20%271%27=%271%27%20UNION%20SELECT%20a,b%20FROM%20c--%20"


def test_attacks_are_detected_then_refused(lab: Lab, shop: StackFile) -> None:
    def met(path: str) -> set[int]:
        return {meets(lab, server, path)[0] for server in BALANCERS}

    def active() -> set[str]:
        words = ("systemctl", "is-active", "longshore-waf.service")
        return {lab.on(server, *words, check=False).stdout.strip() for server in BALANCERS}

    rules = shop.path.with_name("own.conf")
    rules.write_text('SecRule ARGS:magic "@streq abracadabra" "id:1001,phase:2,deny,status:403,msg:\'No magic\'"\n')
    balancer = {**shop.content["load_balancer"], "waf": {"rules": "own.conf"}}
    with shop.changed(lambda content: content.update(load_balancer=balancer)):
        done = longshore(shop, "deploy")
        assert done.code == 0, done.end
        assert met("/") == met(ATTACK) == met("/?magic=abracadabra") == {200}
        balancer["waf"] |= {"mode": "block", "exclude": [{"rules": "942000-942999", "paths": "/raw"}]}
    with shop.changed(lambda content: content.update(load_balancer=balancer)):
        done = longshore(shop, "deploy")
        assert done.code == 0, done.end
        until(lambda: met(ATTACK) == met("/?magic=abracadabra") == {403}, 30, "attacks are refused")
        assert met("/") == {200}
        # The shop has nothing there, and says so itself.
        assert met("/raw" + ATTACK) == {404}
        assert changed_tasks(longshore(shop, "deploy", "--json")) == set()
        rules.write_text("SecRule ARGS @nonsense\n")
        refused = longshore(shop, "deploy")
        assert refused.code != 0
        assert "waf.conf was left as it is" in refused.everything
        assert met(ATTACK) == {403}
        assert met("/") == {200}
    with shop.changed(lambda content: content["load_balancer"].update(waf=False)):
        done = longshore(shop, "deploy")
        assert done.code == 0, done.end
        assert met(ATTACK) == {200}
        assert active() == {"inactive"}
    after = longshore(shop, "deploy")
    assert after.code == 0, after.end
