"""Every name that Interlock gives, derived from what it names and never taken from a user.

A derived name cannot collide with another agent's and cannot be chosen by an attacker.
"""

import hashlib

from interlock.api.digests import SHORT

GROUP = "interlock.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

SYSTEM_NAMESPACE = "interlock-system"
CONTROLLER_ACCOUNT = "interlock-controller"
SYNCER_ACCOUNT = "interlock-syncer"
CONTROLLER_USER = f"system:serviceaccount:{SYSTEM_NAMESPACE}:{CONTROLLER_ACCOUNT}"
SYNCER_USER = f"system:serviceaccount:{SYSTEM_NAMESPACE}:{SYNCER_ACCOUNT}"
FIELD_MANAGER = "interlock"
SYNC_FIELD_MANAGER = "interlock-sync"
FINALIZER = f"{GROUP}/finalizer"

LABEL_MANAGED = f"{GROUP}/managed"
LABEL_AGENT = f"{GROUP}/agent"
LABEL_REVISION = f"{GROUP}/revision"
LABEL_TEAM = f"{GROUP}/team"
LABEL_SYNCED_BY = f"{GROUP}/repository"
ANNOTATION_OWNER = f"{GROUP}/owner"
ANNOTATION_EMERGENCY = f"{GROUP}/emergency-reason"
ANNOTATION_PAUSED = f"{GROUP}/pause-reason"
ANNOTATION_RETIRING = f"{GROUP}/retiring"
ANNOTATION_DRAINED = f"{GROUP}/drained"

POINTER_SERVICE = "agent"
PREVIEW_SERVICE = "preview"
ADMISSION_NAME = "current"
AGENT_ACCOUNT = "agent"
GOVERNANCE_MANIFEST = "governance-manifest"
"""The ConfigMap of our own namespace that names the bytes of the policy in force."""
NO_REVISION = "none"

MAX_PART = 20
MAX_AGENT_NAME = 40


def agent_namespace(team: str, name: str) -> str:
    """Return the namespace of one agent: `agent-<team>-<name>-<12 hex>`.

    The hex is SHA-256 over the length-prefixed pair, so that cutting the readable parts to 20
    characters, or a dash within one, never makes two agents share a namespace.
    """
    pair = b"".join(len(part).to_bytes(8, "big") + part for part in (team.encode(), name.encode()))
    tail = hashlib.sha256(pair).hexdigest()[:12]
    return f"agent-{_cut(team)}-{_cut(name)}-{tail}"


def revision_name(agent: str, content: str) -> str:
    """Return the name of the AgentRevision and of its Deployment: `<agent>-<10 hex>`."""
    return f"{agent}-{content[:SHORT]}"


def decision_name(revision: str, number: int) -> str:
    """Return the name of a revision's GateDecision number `number` (from 1, rising)."""
    return f"{revision}-{number}"


def transition_name(agent: str, number: int) -> str:
    """Return the name of an agent's AgentTransition number `number` (from 1, rising)."""
    return f"{agent}-{number}"


def governance_blob(digest: str) -> str:
    """Return the name of the ConfigMap that holds the governance file with this SHA-256."""
    return f"governance-{digest[:40]}"


def sync_tips(namespace: str) -> str:
    """Return the ConfigMap in which the syncer remembers the refs of a team's repositories."""
    return f"sync-tips-{namespace}"


def vetoes(home: str) -> str:
    """Return the ConfigMap that remembers who rejected what of the agent in this namespace."""
    return f"vetoes-{home}"


def owner_mark(team: str, name: str, uid: str) -> str:
    """Return the annotation that says which AgentDeployment an agent namespace belongs to."""
    return f"{team}/{name}/{uid}"


def _cut(part: str) -> str:
    return part[:MAX_PART].strip("-")
