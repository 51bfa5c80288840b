"""What runs is what was approved: the digests that kubelets report against those of the spec.

A runtime that names a manifest (`repository@sha256:…`) can be compared. One that names only its
own image id cannot, and there is no vote: containerd does so for an image without a reference,
and Kubernetes 1.37 for every image volume. A node that knows one image config under two manifests
may report the other one of them: pin an image by one manifest, and do not push it in two forms.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from interlock.api.observed import Vote
from interlock.policy.model import SignalPolicy
from interlock.signals.contract import Live
from interlock.signals.fields import Object, objects, sentence, text
from interlock.signals.pods import label

NAME = "digests"
FIRST = "initContainerStatuses"
LISTS = ("containerStatuses", FIRST, "ephemeralContainerStatuses")
"""Everything that may run in a pod: a container of any kind runs the pinned image or is foreign, an
init container the one that the revision's Deployment names for it."""
SHOWN = len("sha256:") + 12
_MANIFEST = re.compile(r"@(sha256:[0-9a-f]{64})\Z")


class _Seen(NamedTuple):
    where: str
    got: str
    """Empty where the runtime does not name a manifest."""
    expected: str


def vote(live: Live, policy: SignalPolicy, now: datetime) -> Vote | None:
    """Return whether any container or image volume differs from its pin; None while unknown."""
    image = _digest(live.spec.image)
    model = _digest(live.spec.model.volume or "") if live.spec.model else ""
    if not image:
        return None
    first = {
        text(one, "name"): _digest(text(one, "image"))
        for one in objects(live.deployment, "spec", "template", "spec", "initContainers")
    }
    found = [one for pod in live.pods for one in _containers(pod, image, first)]
    for one in (*found, *(one for pod in live.pods for one in _volumes(pod, model))):
        if one.got and one.got != one.expected:
            return Vote(NAME, "bad", _message(one), action="quarantine", lasting=True)
    if not found or not all(one.got for one in found):
        return None
    message = "all containers run the image that the spec pins"
    return Vote(NAME, "good", message, action="quarantine", lasting=True)


def _containers(pod: Object, image: str, first: Mapping[str, str]) -> Iterator[_Seen]:
    for kind in LISTS:
        for container in objects(pod, "status", kind):
            pinned = first.get(text(container, "name"), "") if kind == FIRST else image
            yield _Seen(label(pod, container), _digest(text(container, "imageID")), pinned)


def _volumes(pod: Object, model: str) -> Iterator[_Seen]:
    for container in objects(pod, "status", "containerStatuses"):
        for mount in objects(container, "volumeMounts"):
            where = f"image volume {text(mount, 'name')} of {text(pod, 'metadata', 'name')}"
            yield _Seen(where, _digest(text(mount, "volumeStatus", "image", "imageRef")), model)


def _digest(reference: str) -> str:
    found = _MANIFEST.search(reference)
    return found[1] if found else ""


def _message(one: _Seen) -> str:
    pinned = one.expected[:SHOWN] or "no image there"
    return sentence(f"{one.where} runs {one.got[:SHOWN]}, the spec pins {pinned}")
