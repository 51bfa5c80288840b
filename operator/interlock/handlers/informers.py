"""kopf, used as an informer and as nothing else: events fill the cache and enqueue an agent.

Progress, diffs and finalizers of kopf are off: its last-handled annotation can be forged by
whoever may annotate (what an object carries is never evidence here).
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import kopf

from interlock.api import names
from interlock.cluster.cache import LABELLED, WATCHED, Cache, Key
from interlock.cluster.client import RESOURCES, Client

TOKEN_LIFETIME = timedelta(minutes=5)
"""How long kopf may use a token before it asks for the rotated one."""


async def fill(client: Client, cache: Cache) -> None:
    """List every watched kind ourselves; kopf never says that its own first list is complete."""

    async def one(kind: str) -> None:
        """List one kind."""
        labels = f"{names.LABEL_MANAGED}=true" if kind == "Namespace" else ""
        labels = names.LABEL_AGENT if kind in LABELLED - {"Namespace"} else labels
        for obj in await client.list(kind, labels=labels):
            cache.merge(obj)

    await asyncio.gather(*(one(kind) for kind in WATCHED))


class _NoEssence(kopf.DiffBaseStorage):
    """kopf copies and compares each object that it sees; nothing here asks it what changed.

    Without this it takes a fifth of the controller's time.
    """

    def build(
        self, *, body: kopf.Body, extra_fields: Iterable[kopf.FieldSpec] | None = None
    ) -> kopf.BodyEssence:
        return kopf.BodyEssence()

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        pass


class Informers:
    """Runs kopf until told to stop."""

    def __init__(self, client: Client, cache: Cache, changed: Callable[[Key], None]) -> None:
        self._client, self._cache, self._changed = client, cache, changed
        self._stop = asyncio.Event()
        self.ready = asyncio.Event()

    def stop(self) -> None:
        """End cleanly."""
        self._stop.set()

    async def run(self) -> None:
        """Watch until stopped. Raises when a watch ends for good, so that the process ends too."""
        # kopf tells of each event that it handled; with a thousand agents nobody reads that
        logging.getLogger("kopf.objects").setLevel(logging.WARNING)
        await kopf.operator(
            registry=self._registry(),
            settings=_settings(),
            clusterwide=True,
            standalone=True,
            stop_flag=self._stop,
            ready_flag=self.ready,
        )

    def _registry(self) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()
        for kind in WATCHED:
            resource = RESOURCES[kind]
            group, version = _group_version(resource.prefix)
            kopf.on.event(group, version, resource.plural, registry=registry, id=kind)(
                self._handler(kind)
            )
        kopf.on.login(registry=registry)(self._login)
        return registry

    def _handler(self, kind: str) -> Callable[..., Any]:
        async def observe(event: Any, **_: Any) -> None:
            """Take in one event."""
            # kopf keeps using the object that it hands over, the cache cuts its own copy
            obj = {**event["object"], "kind": kind}
            obj["metadata"] = dict(obj["metadata"])
            if event["type"] == "DELETED":
                self._cache.remove(obj)
            elif not self._cache.merge(obj):
                return
            if key := self._cache.key_of(obj):
                self._changed(key)

        return observe

    async def _login(self, **_: Any) -> kopf.ConnectionInfo:
        settings = self._client.settings
        token = (await settings.auth_settings()).get("BearerToken", {}).get("value", "")
        return kopf.ConnectionInfo(
            server=settings.host,
            ca_path=settings.ssl_ca_cert,
            scheme="Bearer" if token else None,
            token=token.removeprefix("Bearer ") or None,
            certificate_path=settings.cert_file,
            private_key_path=settings.key_file,
            expiration=datetime.now(UTC) + TOKEN_LIFETIME,
        )


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.scanning.disabled = True
    settings.posting.enabled = False
    settings.persistence.diffbase_storage = _NoEssence()
    settings.networking.request_timeout = 10
    settings.watching.chunk_size = 500
    settings.process.ultimate_exiting_timeout = 20
    for kind in LABELLED:
        wanted = names.LABEL_AGENT if kind != "Namespace" else f"{names.LABEL_MANAGED}=true"
        prefix = RESOURCES[kind].prefix
        settings.watching.label_selectors[(*_group_version(prefix), RESOURCES[kind].plural)] = (
            wanted
        )
    return settings


def _group_version(prefix: str) -> tuple[str, str]:
    parts = prefix.strip("/").split("/")
    return ("", parts[1]) if parts[0] == "api" else (parts[1], parts[2])
