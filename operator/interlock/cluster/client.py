"""A small Kubernetes client over plain dicts.

Typed models drop fields that they do not know on a read-modify-write and refuse what drifted, so
objects stay dicts. Transport, TLS and token refresh are the official client's (`kubernetes.aio`).
"""

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio import client as kube
from kubernetes.aio import config as kube_config
from kubernetes.aio.client.exceptions import ApiException

from interlock.api import names
from interlock.api.kinds import KINDS

Object = dict[str, Any]
Turn = Callable[[], AbstractAsyncContextManager[None]]
"""What surrounds each request, and may keep it waiting (`turns.py`)."""
REQUEST_TIMEOUT = 10.0
"""Seconds for one request; a request that takes longer is retried by the queue."""
CONNECTIONS = 64
LIST_CHUNK = 500
JSON = "application/json"
CHUNK = 65536
METADATA_ONLY = f"{JSON};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class ClusterError(Exception):
    """The API server did not do what was asked. `code` is its HTTP status, 0 for none."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class NotFound(ClusterError):
    """404: the object is not there."""


class Conflict(ClusterError):
    """409: it exists already, or somebody changed it meanwhile."""


class Invalid(ClusterError):
    """422: the schema, or the `test` of a JSON patch, says no."""


class Forbidden(ClusterError):
    """403: RBAC or an admission policy says no."""


_BY_CODE: dict[int, type[ClusterError]] = {
    404: NotFound,
    409: Conflict,
    422: Invalid,
    403: Forbidden,
}


@dataclass(frozen=True, slots=True)
class Resource:
    """Where a kind lives in the API."""

    prefix: str
    plural: str
    namespaced: bool = True

    def path(self, namespace: str | None, name: str | None, subresource: str | None) -> str:
        """Return the URL path of an object or of a collection."""
        parts = [self.prefix]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts += [part for part in (self.plural, name, subresource) if part]
        return "/".join(parts)


RESOURCES: dict[str, Resource] = {
    "Namespace": Resource("/api/v1", "namespaces", namespaced=False),
    "Service": Resource("/api/v1", "services"),
    "ServiceAccount": Resource("/api/v1", "serviceaccounts"),
    "ConfigMap": Resource("/api/v1", "configmaps"),
    "ResourceQuota": Resource("/api/v1", "resourcequotas"),
    "Pod": Resource("/api/v1", "pods"),
    "Event": Resource("/api/v1", "events"),
    "Deployment": Resource("/apis/apps/v1", "deployments"),
    "NetworkPolicy": Resource("/apis/networking.k8s.io/v1", "networkpolicies"),
    "Role": Resource("/apis/rbac.authorization.k8s.io/v1", "roles"),
    "RoleBinding": Resource("/apis/rbac.authorization.k8s.io/v1", "rolebindings"),
    "Lease": Resource("/apis/coordination.k8s.io/v1", "leases"),
    "CustomResourceDefinition": Resource(
        "/apis/apiextensions.k8s.io/v1", "customresourcedefinitions", namespaced=False
    ),
    "ValidatingWebhookConfiguration": Resource(
        "/apis/admissionregistration.k8s.io/v1", "validatingwebhookconfigurations", namespaced=False
    ),
    "MutatingWebhookConfiguration": Resource(
        "/apis/admissionregistration.k8s.io/v1", "mutatingwebhookconfigurations", namespaced=False
    ),
    "SelfSubjectAccessReview": Resource(
        "/apis/authorization.k8s.io/v1", "selfsubjectaccessreviews", namespaced=False
    ),
} | {
    kind.model_fields["kind"].default: Resource(
        f"/apis/{names.API_VERSION}", kind.plural, namespaced=not kind.cluster_scoped
    )
    for kind in KINDS
}


class Client:
    """Reads and writes objects as one identity. Close it when done."""

    def __init__(self, api: kube.ApiClient, turn: Turn = nullcontext) -> None:
        self._api, self._turn = api, turn

    @classmethod
    async def connect(cls, kubeconfig: Path | None = None) -> "Client":
        """Connect by `kubeconfig`, or as the pod's service account where there is none."""
        settings = kube.Configuration()
        settings.connection_pool_maxsize = CONNECTIONS
        # or each request opens ~/.netrc, and may send a password that lies in it
        settings.client_session_kwargs = {"trust_env": False}
        if kubeconfig:
            await kube_config.load_kube_config(
                config_file=str(kubeconfig), client_configuration=settings, persist_config=False
            )
        else:
            kube_config.load_incluster_config(client_configuration=settings)
        return cls(kube.ApiClient(settings))

    def taking(self, turn: Turn) -> "Client":
        """Return a client of the same connections whose requests take turns."""
        return Client(self._api, turn)

    @property
    def settings(self) -> Any:
        """Host, CA and credentials, for those who need a connection of their own."""
        return self._api.configuration

    async def close(self) -> None:
        """Close all connections."""
        await self._api.close()

    async def get(self, kind: str, namespace: str | None, name: str) -> Object | None:
        """Return an object, or None where there is none."""
        try:
            return await self._request("GET", RESOURCES[kind].path(namespace, name, None))
        except NotFound:
            return None

    async def page(
        self,
        kind: str,
        namespace: str,
        *,
        most: int = LIST_CHUNK,
        fields: str = "",
        metadata_only: bool = False,
    ) -> list[Object]:
        """Return at most so many objects of a namespace, with or without their content."""
        query = {"limit": str(most)} | ({"fieldSelector": fields} if fields else {})
        path = RESOURCES[kind].path(namespace, None, None)
        accept = METADATA_ONLY if metadata_only else JSON
        found = await self._request("GET", path, query=query, accept=accept)
        return [item | {"kind": kind} for item in found.get("items") or []]

    async def list(self, kind: str, namespace: str | None = None, labels: str = "") -> list[Object]:
        """Return all objects of a kind, read in chunks; each carries kind and apiVersion."""
        items: list[Object] = []
        token = ""
        while True:
            query = {"limit": str(LIST_CHUNK)}
            query |= {"labelSelector": labels} if labels else {}
            query |= {"continue": token} if token else {}
            path = RESOURCES[kind].path(namespace, None, None)
            page = await self._request("GET", path, query=query)
            about = {"kind": kind, "apiVersion": page["apiVersion"]}
            items += [about | item for item in page.get("items") or []]
            token = page.get("metadata", {}).get("continue", "")
            if not token:
                return items

    async def tail(self, namespace: str, pod: str, query: Mapping[str, str], most: int) -> bytes:
        """Return the last bytes of a container's log, holding hardly more than these meanwhile."""
        path = RESOURCES["Pod"].path(namespace, pod, "log")
        kept = b""
        async with self._answers("GET", path, query=query, accept="*/*") as (code, chunks):
            async for chunk in chunks:
                kept = (kept + chunk)[-most:]
        if not 200 <= code < 300:
            _answer(code, kept)
        return kept

    async def create(self, obj: Object, *, dry_run: bool = False) -> Object:
        """Create an object. Raises Conflict where it exists."""
        path = self._path(obj, named=False)
        return await self._request("POST", path, body=obj, query=_dry(dry_run))

    async def apply(
        self, obj: Object, *, manager: str = names.FIELD_MANAGER, dry_run: bool = False
    ) -> Object:
        """Server-side apply, taking over fields that another manager set."""
        query = {"fieldManager": manager, "force": "true"} | _dry(dry_run)
        return await self._request(
            "PATCH", self._path(obj), body=obj, query=query, media="application/apply-patch+yaml"
        )

    async def json_patch(
        self,
        kind: str,
        namespace: str | None,
        name: str,
        operations: Sequence[Mapping[str, Any]],
        *,
        subresource: str | None = None,
    ) -> Object:
        """Apply a JSON patch (RFC 6902); a failing `test` raises Invalid and changes nothing."""
        path = RESOURCES[kind].path(namespace, name, subresource)
        return await self._request(
            "PATCH", path, body=list(operations), media="application/json-patch+json"
        )

    async def merge_patch(
        self,
        kind: str,
        namespace: str | None,
        name: str,
        patch: Object,
        *,
        subresource: str | None = None,
    ) -> Object:
        """Apply a JSON merge patch (RFC 7386)."""
        path = RESOURCES[kind].path(namespace, name, subresource)
        return await self._request("PATCH", path, body=patch, media="application/merge-patch+json")

    async def replace(self, obj: Object) -> Object:
        """Replace an object; its resourceVersion must be the current one."""
        return await self._request("PUT", self._path(obj), body=obj)

    async def delete(
        self,
        kind: str,
        namespace: str | None,
        name: str,
        *,
        uid: str = "",
        grace: int | None = None,
    ) -> None:
        """Delete an object if it is there; only the one with this UID, where one is given.

        `grace` is in seconds; 0 takes a pod out of the API before its process has ended.
        """
        options: Object = {"kind": "DeleteOptions", "apiVersion": "v1"}
        options |= {"preconditions": {"uid": uid}} if uid else {}
        options |= {"gracePeriodSeconds": grace} if grace is not None else {}
        try:
            await self._request("DELETE", RESOURCES[kind].path(namespace, name, None), body=options)
        except NotFound:
            return

    def _path(self, obj: Object, *, named: bool = True) -> str:
        meta = obj["metadata"]
        name = meta["name"] if named else None
        return RESOURCES[obj["kind"]].path(meta.get("namespace"), name, None)

    async def _request(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        query: Mapping[str, str] | None = None,
        media: str = JSON,
        accept: str = JSON,
    ) -> Object:
        async with self._answers(
            method, path, body=body, query=query, media=media, accept=accept
        ) as (code, chunks):
            data = b"".join([chunk async for chunk in chunks])
        return _answer(code, data)

    @asynccontextmanager
    async def _answers(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        query: Mapping[str, str] | None = None,
        media: str = JSON,
        accept: str = JSON,
    ) -> AsyncIterator[tuple[int, AsyncIterator[bytes]]]:
        """Give code and bytes of an answer. The user agent names us as manager of what we write."""
        headers = {"Content-Type": media, "Accept": accept, "User-Agent": names.FIELD_MANAGER}
        await self._api.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        url = self._api.configuration.host + path + (f"?{urlencode(query)}" if query else "")
        try:
            timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT)
            async with self._turn():
                answer = await self._api.rest_client.request(
                    method, url, headers=headers, body=body, _request_timeout=timeout
                )
                async with answer.response as response:
                    yield response.status, response.content.iter_chunked(CHUNK)
        except ApiException as error:
            raise ClusterError(error.status or 0, str(error.reason)) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ClusterError(0, f"the API server did not answer: {error!r}") from error


def _answer(code: int, data: bytes) -> Object:
    """Return the object that the API server sent, or raise what its Status says."""
    try:
        value = json.loads(data)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        text = data[:200].decode(errors="replace")
        raise ClusterError(code, f"the API server answered {code} with what is no object: {text}")
    if 200 <= code < 300:
        return value
    message = str(value.get("message", ""))[:2048]
    raise _BY_CODE.get(code, ClusterError)(code, message)


def _dry(dry_run: bool) -> dict[str, str]:
    return {"dryRun": "All"} if dry_run else {}
