"""An agent's namespace on a real API server, made by the controller's own identity."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from interlock.api import digests, names
from interlock.api.digests import ModelFile
from interlock.api.kinds import AgentDeploymentSpec
from interlock.api.kinds.deployment import Resources
from interlock.render import admission, namespace, revision
from interlock.render.delivery import Copied
from support.documents import DIGEST
from support.kube import APPLY, OURS, Answer, Api, until

Object = dict[str, Any]
TEAM = "line-4"
TOOLS = {"schema.json": "{}"}
FILES = (ModelFile("MLmodel", 7, "1" * 64), ModelFile("weights/a", 4096, "2" * 64))
COPIED = Copied(f"registry.example/interlock/copier@{DIGEST}", FILES)
COPIES = "copied"
"""The version whose model init containers copy; that of others is an image volume."""
PATHS = {
    "Namespace": "/api/v1/namespaces",
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "Service": "/api/v1/namespaces/{}/services",
    "ResourceQuota": "/api/v1/namespaces/{}/resourcequotas",
    "Pod": "/api/v1/namespaces/{}/pods",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "AgentAdmission": OURS + "/namespaces/{}/agentadmissions",
}


def collection(obj: Object) -> str:
    """The URL path under which an object is created."""
    return PATHS[obj["kind"]].format(obj["metadata"].get("namespace", ""))


def spec(version: str) -> AgentDeploymentSpec:
    """A content with one of everything that a pod can have."""
    image = f"sha256:{digests.sha256(version.encode())}"
    tool = {
        "name": "mes",
        "endpoint": "https://mes.line-4.svc:8443",
        "effect": "write",
        "schema": {"configMap": "tools", "digest": f"sha256:{digests.config_map(TOOLS)}"},
    }
    return AgentDeploymentSpec.model_validate(
        {
            "riskTier": "high",
            "image": f"registry.example/agents/press:{version}@{image}",
            "model": {
                "name": "press",
                "version": "1",
                "tree": f"sha256:{digests.model_tree(FILES)}" if version == COPIES else DIGEST,
                "volume": f"registry.example/models/press@{DIGEST}",
            },
            "tools": [tool],
            "env": {"VERSION": version},
            "secrets": [
                {"name": "TOKEN", "externalSecret": "press-mes"},
                {"name": "cert", "externalSecret": "press-tls", "as": "file"},
            ],
            "health": {"http": "/healthz"},
        }
    )


@dataclass(frozen=True, slots=True)
class Agent:
    """One agent with revisions `old` (eligible) and `new` (not), and its pointer at none."""

    name: str
    admin: Api
    controller: Api

    @property
    def home(self) -> str:
        """Its own namespace."""
        return names.agent_namespace(TEAM, self.name)

    def digest(self, version: str) -> str:
        """The content digest of a version."""
        return digests.content(TEAM, self.name, spec(version).dump())

    def revision(self, version: str) -> str:
        """The name of a version's AgentRevision."""
        return names.revision_name(self.name, self.digest(version))

    def objects(self, version: str) -> list[Object]:
        """What is applied for a version."""
        maps = {"tools": TOOLS}
        copied = COPIED if version == COPIES else None
        return revision.revision_objects(
            self.home, self.name, self.digest(version), spec(version), maps, copied=copied
        )

    def pod(self, version: str = "old") -> Object:
        """The very pod that a version's ReplicaSet would create."""
        return admission.pod_of(admission.deployment_of(self.objects(version)))

    def entry(self, version: str) -> Object:
        """A version's entry in AgentAdmission."""
        eligible = version == "old"
        return admission.admitted(
            self.revision(version), self.digest(version), self.objects(version), eligible
        )

    def path(self, kind: str, name: str = "") -> str:
        """The URL path of a kind in its namespace."""
        return PATHS[kind].format(self.home) + (f"/{name}" if name else "")

    def dry_run(self, pod: Object, api: Api | None = None) -> Answer:
        """What the API server says to a pod, without storing it."""
        return (api or self.admin).post(self.path("Pod"), pod, dryRun="All")

    def point(
        self, version: str, api: Api | None = None, annotations: dict[str, str] | None = None
    ) -> Answer:
        """Patch the selector of the pointer, and annotations if any, in one write."""
        to = self.revision(version) if version != names.NO_REVISION else version
        patch: Object = {"spec": {"selector": {names.LABEL_REVISION: to}}}
        if annotations:
            patch["metadata"] = {"annotations": annotations}
        return (api or self.controller).patch(self.path("Service", "agent"), patch)

    def serving(self) -> str:
        """The revision that the pointer names."""
        service = self.admin.get(self.path("Service", "agent")).body
        return str(service["spec"]["selector"][names.LABEL_REVISION])

    def admit(self, *entries: Object, quarantined: bool = False) -> None:
        """Write AgentAdmission, and wait until the policies judge by it."""
        self.apply(namespace.agent_admission(TEAM, self.name, entries, quarantined=quarantined))
        known = {entry["name"] for entry in entries}
        for version in ("old", "new"):
            expected = "admitted" if self.revision(version) in known else "is not admitted"
            expected = "quarantined" if quarantined else expected
            until(partial(self._is, version, expected), f"{version} is {expected}")

    def _is(self, version: str, expected: str) -> bool:
        answer = self.dry_run(self.pod(version), self.controller)
        return expected in ("admitted" if answer.ok else answer.message)

    def apply(self, body: Object) -> Object:
        """Server-side apply as the controller."""
        path = f"{collection(body)}/{body['metadata']['name']}"
        query = {"fieldManager": names.FIELD_MANAGER, "force": "true"}
        answer = self.controller.patch(path, body, APPLY, **query)
        assert answer.ok, answer.message
        return answer.body


def make(name: str, admin: Api, controller: Api) -> Agent:
    """Make an agent's namespace as the controller does, with both revisions admitted."""
    agent = Agent(name, admin, controller)
    for body in namespace.namespace_objects(TEAM, name, "uid"):
        agent.apply(body)
    agent.apply(namespace.resource_quota(TEAM, name, [(4, Resources())]))
    answer = controller.post(agent.path("Service"), namespace.pointer_service(TEAM, name))
    assert answer.ok, answer.message
    agent.admit(agent.entry("old"), agent.entry("new"))
    return agent
