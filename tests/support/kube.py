"""The API server as one identity sees it: plain requests, so that a refusal can be looked at."""

import base64
import http.client
import json
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

import yaml

Object = dict[str, Any]
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
OURS = "/apis/interlock.dev/v1alpha1"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the HTTP status and the object, or the Status that says why not."""

    code: int
    body: Object

    @property
    def ok(self) -> bool:
        """Whether it was done."""
        return self.code < http.client.MULTIPLE_CHOICES

    @property
    def message(self) -> str:
        """Why it was not done."""
        return str(self.body.get("message", ""))


@dataclass(frozen=True, slots=True)
class Api:
    """Requests with the credentials of a kubeconfig, with a token, or in somebody's name."""

    host: str
    context: ssl.SSLContext
    headers: Mapping[str, str]

    @classmethod
    def admin(cls, kubeconfig: Path) -> Self:
        """The administrator of a kubeconfig with everything inline."""
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        context = ssl.create_default_context(cadata=_decoded(cluster, "certificate-authority"))
        if "client-certificate-data" in user:
            pair = kubeconfig.with_suffix(".pair.pem")
            pair.touch(mode=0o600)
            pair.write_text(_decoded(user, "client-certificate") + _decoded(user, "client-key"))
            context.load_cert_chain(pair)
        bearer = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
        return cls(urlsplit(cluster["server"]).netloc, context, bearer)

    def named(self, user: str, *groups: str) -> Self:
        """The same, impersonating; every authenticated user is in `system:authenticated`."""
        everybody = ",".join((*groups, "system:authenticated"))
        return replace(self, headers={"Impersonate-User": user, "Groups": everybody})

    def account(self, namespace: str, name: str) -> Self:
        """The same server with a real token of a service account."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        answer = self.post(path, {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"})
        assert answer.ok, answer.message
        token = answer.body["status"]["token"]
        bare = ssl.create_default_context()
        bare.load_verify_locations(cadata=self.context.get_ca_certs(binary_form=True)[0])
        return replace(self, context=bare, headers={"Authorization": f"Bearer {token}"})

    def get(self, path: str) -> Answer:
        """Reads an object."""
        return self._send("GET", path)

    def post(self, path: str, body: Object, **query: str) -> Answer:
        """Creates an object in a collection."""
        return self._send("POST", path, body, "application/json", query)

    def put(self, path: str, body: Object, **query: str) -> Answer:
        """Replaces an object."""
        return self._send("PUT", path, body, "application/json", query)

    def patch(self, path: str, body: object, kind: str = MERGE_PATCH, **query: str) -> Answer:
        """Changes an object."""
        return self._send("PATCH", path, body, kind, query)

    def delete(self, path: str, **query: str) -> Answer:
        """Removes an object or a collection."""
        return self._send("DELETE", path, None, "", query)

    def _send(
        self,
        method: str,
        path: str,
        body: object = None,
        kind: str = "",
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        connection = http.client.HTTPSConnection(self.host, context=self.context, timeout=30)
        try:
            connection.putrequest(method, f"{path}?{urlencode(query or {})}")
            data = json.dumps(body).encode() if body is not None else b""
            for key, value in self._headers(kind, data):
                connection.putheader(key, value)
            connection.endheaders(data)
            response = connection.getresponse()
            return Answer(response.status, _object(response.read()))
        finally:
            connection.close()

    def _headers(self, kind: str, data: bytes) -> list[tuple[str, str]]:
        headers = [("Accept", "application/json"), ("Content-Length", str(len(data)))]
        headers += [("Content-Type", kind)] if kind else []
        for key, value in self.headers.items():
            if key == "Groups":
                headers += [("Impersonate-Group", group) for group in value.split(",")]
            else:
                headers.append((key, value))
        return headers


@contextmanager
def switched_off(admin: Api, path: str) -> Iterator[None]:
    """Takes the binding of an admission policy away for a while."""
    binding = admin.get(path).body
    assert admin.delete(path).ok
    try:
        yield
    finally:
        del binding["metadata"]["resourceVersion"], binding["metadata"]["uid"]
        answer = admin.post(path.rpartition("/")[0], binding)
        assert answer.ok, answer.message


def until(condition: Callable[[], object], what: str, seconds: float = 30.0) -> None:
    """Waits for a condition of the cluster."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.05)


def _object(data: bytes) -> Object:
    try:
        value = json.loads(data)
    except ValueError:
        return {"message": data.decode(errors="replace")}
    return value if isinstance(value, dict) else {"message": repr(value)}


def _decoded(entry: Mapping[str, str], key: str) -> str:
    return base64.b64decode(entry[f"{key}-data"]).decode()
