"""How a live object differs from what was rendered. Pure.

Server-side apply leaves alone what another manager added: a second container, another egress rule.
So the live object is compared, field by field, with what the API server itself makes of the
rendered one (defaults filled in), and managed fields only say who wrote last.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from itertools import zip_longest
from typing import Any

from interlock.api import names
from interlock.render.admission import deployment_of
from interlock.render.namespace import resource_quota

Object = dict[str, Any]
Path = tuple[str, ...]

FREE: Mapping[str, tuple[Path, ...]] = {
    "Namespace": (("spec",),),
    "Deployment": (
        ("spec", "replicas"),
        ("spec", "template", "metadata", "annotations", names.ANNOTATION_DRAINED),
    ),
    "Service": tuple(
        ("spec", field)
        for field in ("selector", "clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy")
    ),
}
"""Fields that move in an untouched agent: by other steps, or given by the API server."""
ANNOTATIONS = (f"{names.GROUP}/", "deployment.kubernetes.io/")
"""Annotations that begin so are ours or the Deployment controller's; another may give rights."""
POD_FIELDS = ("name", "image", "command", "args", "env", "resources", "restartPolicy")
NEVER = frozenset({"persistentvolumeclaims", "services.loadbalancers", "services.nodeports"})
"""Of these an agent has none, however large it is."""
PEOPLES_ROLES = frozenset(
    {
        "interlock-approver",
        "interlock-auditor",
        "interlock-emergency",
        "interlock-sre",
        "interlock-view",
        "view",
    }
)
"""ClusterRoles that people may be bound to in an agent's namespace (policies/agent-objects)."""
_NOTHING = object()


def content(obj: Mapping[str, Any]) -> Object:
    """Return what an object says, without who and when it is, and without what is free to move."""
    about = {"apiVersion", "kind", "metadata", "status"}
    found: Object = _pruned({key: obj[key] for key in obj if key not in about})
    for path in FREE.get(str(obj["kind"]), ()):
        _take(found, path)
    return found


def marks(obj: Mapping[str, Any]) -> Object:
    """Return the labels and the annotations that count."""
    meta = obj["metadata"]
    foreign = {
        key: value
        for key, value in (meta.get("annotations") or {}).items()
        if not key.startswith(ANNOTATIONS)
    }
    return {"metadata": {"labels": meta.get("labels") or {}, "annotations": foreign}}


def whole(obj: Mapping[str, Any]) -> Object:
    """Return all of an object that counts."""
    return content(obj) | marks(obj)


def fingerprint(obj: Mapping[str, Any]) -> bytes:
    """Return a digest of an object's kind and content."""
    text = json.dumps([obj["kind"], content(obj)], sort_keys=True)
    return hashlib.sha256(text.encode()).digest()


def differences(expected: object, live: object, path: str = "") -> Iterator[str]:
    """Yield each place where two values differ, as a short sentence."""
    if isinstance(expected, dict) and isinstance(live, dict):
        for key in sorted(expected.keys() | live.keys()):
            place = f"{path}.{key}" if path else str(key)
            yield from differences(expected.get(key, _NOTHING), live.get(key, _NOTHING), place)
    elif isinstance(expected, list) and isinstance(live, list):
        for number, (one, other) in enumerate(zip_longest(expected, live, fillvalue=_NOTHING)):
            yield from differences(one, other, f"{path}[{number}]")
    elif expected is _NOTHING:
        yield f"{path} was added"
    elif live is _NOTHING:
        yield f"{path} is missing"
    elif expected != live:
        yield f"{path} was changed"


def mending(expected: Object, live: Object) -> list[Object]:
    """Return the JSON patch that puts a live object right, unless it changes meanwhile."""
    wanted = deepcopy(expected)
    for path in FREE.get(live["kind"], ()):
        _carry(live, wanted, path)
    version = live["metadata"]["resourceVersion"]
    patch: list[Object] = [{"op": "test", "path": "/metadata/resourceVersion", "value": version}]
    for key in sorted(content(wanted).keys() | content(live).keys()):
        if key not in wanted:
            patch.append({"op": "remove", "path": f"/{key}"})
        elif wanted[key] != live.get(key, _NOTHING):
            patch.append({"op": "add", "path": f"/{key}", "value": wanted[key]})
    if marks(wanted) != marks(live):
        own = (live["metadata"].get("annotations") or {}).items()
        kept = {key: value for key, value in own if key.startswith(ANNOTATIONS)}
        labels = wanted["metadata"].get("labels") or {}
        patch.append({"op": "add", "path": "/metadata/labels", "value": labels})
        patch.append({"op": "add", "path": "/metadata/annotations", "value": kept})
    return patch


def strangers(live: Mapping[str, Any]) -> list[str]:
    """Return the managers other than ours that wrote an object's spec, newest first."""
    entries = [
        (str(entry.get("time", "")), str(entry.get("manager", "")))
        for entry in live["metadata"].get("managedFields") or []
        if entry.get("manager") != names.FIELD_MANAGER
        and not entry.get("subresource")
        and not _only_annotates(entry.get("fieldsV1") or {})
    ]
    return [manager for _, manager in sorted(entries, reverse=True)]


def quota_differences(team: str, name: str, live: Object) -> Iterator[str]:
    """Yield how a quota differs from any that Interlock writes; its amounts move with the agent.

    So whether an amount is ours is known by who wrote it.
    """
    expected = resource_quota(team, name, ())["spec"]["hard"]
    hard = live["spec"].get("hard") or {}
    for key in sorted(expected.keys() | hard.keys()):
        both = key in expected and key in hard
        if not both or (key in NEVER and hard[key] != "0"):
            yield f"spec.hard.{key} is {hard.get(key, 'missing')}"
    yield from (f"spec.{key} was added" for key in sorted(live["spec"].keys() - {"hard"}))
    yield from (f"spec was written by {manager}" for manager in strangers(live)[:1])


def pod_differences(objects: Sequence[Mapping[str, Any]], pod: Mapping[str, Any]) -> Iterator[str]:
    """Yield how a pod is not what its revision's Deployment makes: resized, or debugged in."""
    template, spec = deployment_of(objects)["spec"]["template"]["spec"], pod["spec"]
    for field in ("ephemeralContainers", "resources"):
        if spec.get(field):
            yield f"spec.{field} was added"
    yield from differences(_fixed(template), _fixed(spec), "spec")


def is_for_people(binding: Mapping[str, Any]) -> bool:
    """Whether a RoleBinding gives people a role that they may hold in an agent's namespace."""
    role = binding.get("roleRef") or {}
    return (
        role.get("kind") == "ClusterRole"
        and role.get("name") in PEOPLES_ROLES
        and all(
            subject.get("kind") in ("User", "Group")
            and not str(subject.get("name", "")).startswith("system:")
            for subject in binding.get("subjects") or []
        )
    )


def sentence(obj: Mapping[str, Any], found: Iterable[str], most: int) -> str:
    """Return `Kind/name: what differs`, with control characters shown and cut to size."""
    places = list(found)
    more = f" and {len(places) - 2} more" if len(places) > 2 else ""
    writer = next(iter(strangers(obj)), "")
    by = f" (written by {writer})" if writer else ""
    text = f"{obj['kind']}/{obj['metadata']['name']}: {', '.join(places[:2])}{more}{by}"
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)[:most]


def _fixed(spec: Mapping[str, Any]) -> Object:
    """Return what of a pod's containers never moves."""
    return {
        field: [{key: one[key] for key in POD_FIELDS if key in one} for one in spec[field]]
        for field in ("initContainers", "containers")
        if spec.get(field)
    }


def _only_annotates(fields: Mapping[str, Any]) -> bool:
    """The Deployment controller annotates; whoever does no more has not written the object."""
    meta = fields.get("f:metadata") or {}
    return fields.keys() <= {"f:metadata"} and meta.keys() <= {"f:annotations"}


def _pruned(value: Any) -> Any:
    """A field that is null is one that is not there."""
    if isinstance(value, dict):
        return {key: _pruned(each) for key, each in value.items() if each is not None}
    return [_pruned(each) for each in value] if isinstance(value, list) else value


def _take(found: Object, path: Path) -> None:
    """Remove what lies at a path, and the map around it where that leaves it empty."""
    head, *rest = path
    if not rest:
        found.pop(head, None)
    elif isinstance(inner := found.get(head), dict) and inner:
        _take(inner, tuple(rest))
        if not inner:
            del found[head]


def _carry(live: Object, wanted: Object, path: Path) -> None:
    """Give `wanted` at a path what the live object has there."""
    value: Any = live
    for key in path:
        value = value.get(key, _NOTHING) if isinstance(value, dict) else _NOTHING
    if value is _NOTHING:
        _take(wanted, path)
        return
    for key in path[:-1]:
        wanted = wanted.setdefault(key, {})
    wanted[path[-1]] = value
