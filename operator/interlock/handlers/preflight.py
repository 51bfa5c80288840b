"""What must be true before the controller acts, each with a sentence that says what to apply."""

from dataclasses import dataclass

from interlock.api import names
from interlock.api.kinds import KINDS
from interlock.cluster.client import Client, Object

WEBHOOKS = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")
APPLY = "kubectl apply -k manifests"
NEEDED: tuple[tuple[str, str, str], ...] = (
    ("create", "", "namespaces"),
    ("delete", "", "namespaces"),
    ("create", "", "services"),
    ("patch", "", "services"),
    ("patch", "apps", "deployments"),
    ("patch", "networking.k8s.io", "networkpolicies"),
    ("delete", "", "pods"),
    ("get", "", "pods/log"),
    ("list", "rbac.authorization.k8s.io", "rolebindings"),
    ("create", names.GROUP, "agentrevisions"),
    ("create", names.GROUP, "gatedecisions"),
    ("create", names.GROUP, "agenttransitions"),
    ("patch", names.GROUP, "agenttransitions/status"),
    ("patch", names.GROUP, "agentadmissions"),
    ("patch", names.GROUP, "agentdeployments/status"),
)
"""(verb, group, resource) without which a rollout or a rollback would stop half-way."""


@dataclass(frozen=True, slots=True)
class Trouble(Exception):
    """The cluster is not ready for the controller; `lines` say what is missing."""

    lines: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(self.lines)


async def check(client: Client) -> None:
    """Raise Trouble unless the kinds are installed and the permissions are there."""
    lines = [*await _missing_kinds(client), *await _missing_rights(client)]
    if lines:
        raise Trouble(tuple(lines))


async def obstacles(client: Client) -> list[str]:
    """Return a sentence for each webhook that, when it is down, could stop traffic from moving.

    The API server asks such a webhook before it takes our one patch, and refuses the patch when
    nobody answers. That is the cluster's choice to make, so it is told and not refused.
    """
    found = []
    for kind in WEBHOOKS:
        for configuration in await client.list(kind):
            name = configuration["metadata"]["name"]
            for webhook in configuration.get("webhooks") or []:
                if webhook.get("failurePolicy", "Fail") == "Fail" and _concerns(webhook):
                    found.append(
                        f"{kind} {name} ({webhook['name']}) must answer before traffic moves; "
                        "exclude namespaces labelled interlock.dev/managed=true from it"
                    )
    return found


def _concerns(webhook: Object) -> bool:
    """Whether a webhook's rules match a Service or a record of ours, selectors aside."""
    return any(
        {group, "*"} & set(rule.get("apiGroups") or [])
        and {plural, "*", "*/*"} & set(rule.get("resources") or [])
        for rule in webhook.get("rules") or []
        for group, plural in (("", "services"), (names.GROUP, "agenttransitions"))
    )


async def _missing_kinds(client: Client) -> list[str]:
    missing = []
    for kind in KINDS:
        crd = f"{kind.plural}.{names.GROUP}"
        if await client.get("CustomResourceDefinition", None, crd) is None:
            missing.append(f"The kind {crd} is not installed. Run: {APPLY}")
    return missing


async def _missing_rights(client: Client) -> list[str]:
    missing = []
    for verb, group, resource in NEEDED:
        plural, _, sub = resource.partition("/")
        attributes = {"verb": verb, "group": group, "resource": plural, "subresource": sub}
        review = await client.create(
            {
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SelfSubjectAccessReview",
                "metadata": {},
                "spec": {"resourceAttributes": attributes},
            }
        )
        if not review["status"]["allowed"]:
            missing.append(f"The controller may not {verb} {resource}. Run: {APPLY}")
    return missing
