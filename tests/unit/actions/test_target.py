"""A signal asks the Service that leads to a revision, at that Service's own address and port."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from interlock.actions.votes import target_of
from interlock.api.observed import Observed
from interlock.cluster.cache import Cache, Key
from interlock.render import namespace
from interlock.signals.contract import Stand
from support import live

MINE = "press-04bd62f1aa"
KEY = Key("line-4", "press")


def cached(*services: dict[str, Any]) -> Cache:
    cache = Cache()
    for number, service in enumerate(services):
        service["spec"]["clusterIP"] = f"10.96.0.{number}"
        service["metadata"] |= {"uid": str(number), "resourceVersion": "1"}
        cache.merge(service)
    return cache


@pytest.mark.parametrize(("stand", "address"), [("candidate", "10.96.0.0"), ("steady", "")])
def test_a_candidate_is_asked_at_the_port_of_the_preview_service(
    stand: Stand, address: str
) -> None:
    preview = namespace.preview_service(KEY.namespace, KEY.name, MINE)
    cache = cached(preview, namespace.pointer_service(KEY.namespace, KEY.name))
    known = {
        "pointer": "none",
        "transitions": (),
        "revisions": {MINE: SimpleNamespace(spec=live.spec(port=9999))},
        "workloads": {MINE: SimpleNamespace(ready=1)},
    }
    seen = cast(Observed, SimpleNamespace(**known))
    target = target_of(seen, KEY, cache, MINE, stand)
    assert (target.address, target.port) == (address, preview["spec"]["ports"][0]["port"])
