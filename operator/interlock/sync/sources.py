"""Which repositories may deliver to a namespace, by the policy in force.

The syncer fetches with credentials of its own. Without this question anybody who may create an
AgentRepository could have it read another team's repository into their own namespace.
"""

import base64
import json

from interlock.api import digests, names
from interlock.api.kinds.repository import AgentRepositorySpec
from interlock.api.reasons import Reason
from interlock.cluster.client import Client
from interlock.policy import strict_yaml
from interlock.policy.model import Namespaces, SourceGrant

"""The ConfigMap by which the controller names the policy in force (actions/govern.py)."""
_TARGET = "namespaces.yaml"
_MAX_TARGET = 512 * 1024


async def may_deliver(
    client: Client, namespace: str, spec: AgentRepositorySpec
) -> tuple[Reason, str] | None:
    """Return why this repository may not deliver to this namespace, or None where it may."""
    try:
        known = await _namespaces(client)
    except (KeyError, ValueError, TypeError) as error:
        return Reason.POLICY_MISSING, f"the policy in force cannot be read: {error}"
    if known is None:
        return Reason.POLICY_MISSING, "no policy is in force yet; see kubectl get governance"
    entry = known.namespaces.get(namespace)
    grants = entry.repositories if entry else []
    if any(_covers(grant, spec) for grant in grants):
        return None
    listed = ", ".join(f"{g.url} {g.ref} {g.path or '/'}" for g in grants[:3]) or "none"
    return Reason.NOT_GRANTED, (
        f"{spec.url} {spec.ref} {spec.path or '/'} may not deliver to {namespace}; governance "
        f"names {listed}. Name one of these, or ask security to add it to namespaces.yaml"
    )


def _covers(grant: SourceGrant, spec: AgentRepositorySpec) -> bool:
    if (grant.url, grant.ref) != (spec.url, spec.ref):
        return False
    return not grant.path or spec.path == grant.path or spec.path.startswith(f"{grant.path}/")


async def _namespaces(client: Client) -> Namespaces | None:
    manifest = await client.get("ConfigMap", names.SYSTEM_NAMESPACE, names.GOVERNANCE_MANIFEST)
    if manifest is None:
        return None
    wanted = json.loads(manifest["data"]["manifest"])["targets"][_TARGET]
    blob = await client.get("ConfigMap", names.SYSTEM_NAMESPACE, names.governance_blob(wanted))
    data = base64.b64decode((blob or {}).get("data", {}).get("blob", ""))
    if digests.sha256(data) != wanted:
        raise ValueError(f"its {_TARGET} is missing or is not {digests.short(wanted)}")
    return Namespaces.model_validate(strict_yaml.load(data, limit=_MAX_TARGET))
