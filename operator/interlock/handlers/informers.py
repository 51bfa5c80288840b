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
from interlock.cluster.client import RESOURCES, Client, ClusterError

log = logging.getLogger(__name__)
TOKEN_LIFETIME = timedelta(minutes=5)
"""How long kopf may use a token before it asks for the rotated one."""


async def fill(client: Client, cache: Cache) -> None:
    """List every watched kind ourselves; kopf never says that its own first list is complete."""
    await asyncio.gather(*(_fill(client, cache, kind) for kind in WATCHED))


async def _fill(client: Client, cache: Cache, kind: str) -> set[str]:
    """List one kind, and return the UIDs of what there is."""
    labels = f"{names.LABEL_MANAGED}=true" if kind == "Namespace" else ""
    labels = names.LABEL_AGENT if kind in LABELLED - {"Namespace"} else labels
    found = await client.list(kind, labels=labels)
    for obj in found:
        cache.merge(obj)
    return {obj["metadata"]["uid"] for obj in found}


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

    def __init__(self, client: Client, cache: Cache, changed: Callable[[Key, str], None]) -> None:
        """`changed` is told of an agent, and the kind of what changed."""
        self._client, self._cache, self._changed = client, cache, changed
        self._stop = asyncio.Event()
        self.ready = asyncio.Event()
        self._streams: set[str] = set()
        """Kinds of which something changed since kopf's first list."""
        self._relisted: dict[str, asyncio.Task[None]] = {}

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
            self._note(kind, event["type"])
            if event["type"] == "DELETED":
                self._cache.remove(obj)
            elif not self._cache.merge(obj):
                return
            if key := self._cache.key_of(obj):
                self._changed(key, kind)

        return observe

    def _note(self, kind: str, event: str | None) -> None:
        """A kind that is listed once more lost its watch, and with it what was deleted since."""
        if event is not None:
            self._streams.add(kind)
        elif kind in self._streams and kind not in self._relisted:
            self._relisted[kind] = asyncio.create_task(self._prune(kind), name=f"prune {kind}")

    async def _prune(self, kind: str) -> None:
        """Forget what was known before and is not there any more."""
        try:
            known = list(self._cache.all(kind))
            there = await _fill(self._client, self._cache, kind)
            gone = [obj for obj in known if obj["metadata"]["uid"] not in there]
            for obj in gone:
                self._cache.remove(obj)
                if key := self._cache.key_of(obj):
                    self._changed(key, kind)
            log.info("%s was listed anew; %d deletions had been missed", kind, len(gone))
        except ClusterError as error:  # kopf's next list tries again
            log.warning("%s could not be listed anew: %s", kind, error)
        finally:
            del self._relisted[kind]

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
