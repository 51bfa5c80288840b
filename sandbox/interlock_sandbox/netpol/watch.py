"""A copy of all objects of one kind, kept fresh by list and watch.

Level-based: whoever uses the copy looks at what is, never at what happened, so a lost or repeated
event does no more than come late. The copy outlives the API server: rules stay while it is away.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio import client as kube
from kubernetes.aio import config as kube_config
from kubernetes.aio.client.exceptions import ApiException

Object = dict[str, Any]
PATHS = {
    "Namespace": "/api/v1/namespaces",
    "Pod": "/api/v1/pods",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/networkpolicies",
}
LIST_SECONDS = 30
WATCH_SECONDS = 300  # the server ends a watch then, and a new one goes on from there
PAUSE = 1.0  # seconds before a failed list or watch is tried again
_log = logging.getLogger(__name__)


async def connect(kubeconfig: Path) -> kube.ApiClient:
    """A connection as whom `kubeconfig` says. Close it when done."""
    settings = kube.Configuration()
    await kube_config.load_kube_config(
        config_file=str(kubeconfig), client_configuration=settings, persist_config=False
    )
    return kube.ApiClient(settings)


class Mirror:
    """All objects of one kind; `changed` is called after each change of them."""

    def __init__(self, api: kube.ApiClient, kind: str, changed: Callable[[], None]) -> None:
        self._api = api
        self._kind = kind
        self._changed = changed
        self._objects: dict[tuple[str, str], Object] = {}
        self.synced = False

    @property
    def objects(self) -> list[Object]:
        """What there is, as far as known."""
        return list(self._objects.values())

    async def run(self) -> None:
        """Follows the API server until it is cancelled, whatever becomes of the connection."""
        while True:
            try:
                await self._follow(await self._list())
            except (ApiException, aiohttp.ClientError, OSError, ValueError) as error:
                _log.warning("%s: listed again in %.0f s: %r", self._kind, PAUSE, error)
                await asyncio.sleep(PAUSE)

    async def _list(self) -> str:
        response = await self._get({}, LIST_SECONDS)
        listed = json.loads(await response.read())
        self._objects = {_key(item): item for item in listed["items"] or []}
        self.synced = True
        self._changed()
        return str(listed["metadata"]["resourceVersion"])

    async def _follow(self, version: str) -> None:
        while True:
            async for event in self._events(version):
                version = self.take(event)

    def take(self, event: Object) -> str:
        """Takes one event in; returns the version from which a watch goes on after it.

        Raises OSError for an error event, most often 410: the watch cannot go on from there.
        """
        kind, obj = event.get("type"), event["object"]
        if kind == "ERROR":
            raise OSError(f"the watch ended: {obj.get('code')} {str(obj.get('message'))[:500]}")
        if kind == "DELETED":
            self._objects.pop(_key(obj), None)
        elif kind in ("ADDED", "MODIFIED"):
            self._objects[_key(obj)] = obj
        if kind != "BOOKMARK":
            self._changed()
        return str(obj["metadata"]["resourceVersion"])

    async def _events(self, version: str) -> AsyncIterator[Object]:
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        response = await self._get(query, WATCH_SECONDS + LIST_SECONDS)
        try:
            async for line in response.content:
                yield json.loads(line)
        finally:
            response.close()

    async def _get(self, query: dict[str, str], seconds: float) -> aiohttp.ClientResponse:
        path = PATHS[self._kind]
        headers = {"Accept": "application/json"}
        await self._api.update_params_for_auth(headers, [], ["BearerToken"], path, "GET", None)
        url = f"{self._api.configuration.host}{path}?{urlencode(query)}"
        timeout = aiohttp.ClientTimeout(total=seconds)
        answer = await self._api.rest_client.request(
            "GET", url, headers=headers, _request_timeout=timeout
        )
        response: aiohttp.ClientResponse = answer.response  # unread, so that a watch streams
        if response.status != 200:
            said = (await response.content.read(500)).decode(errors="replace")
            response.close()
            raise OSError(f"GET {path} was answered {response.status}, expected 200: {said}")
        return response


def _key(obj: Object) -> tuple[str, str]:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]
