"""Requests of an SRE: create one small object, wait for the controller's answer, say what it did.

The object's author is stamped by the API server; nothing that is typed here can forge it.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from interlock.api import names
from interlock.cli.exits import Failed, Refused
from interlock.cli.kubectl import Forbidden, Kubectl, Object, collection
from interlock.cli.tables import moment, printable

WAIT_SECONDS = 60
"""A request that nobody answered within 60 s expires; waiting longer is of no use."""

DONE = {
    "Release": "released; the gates run again",
    "Restore": "restored; the gates run again",
    "BreakGlass": "the glass is broken; the gates run again",
}


class Answer(NamedTuple):
    """A request as it was judged, and the record that it led to."""

    request: Object
    transition: Object | None
    """None where there is none, or the user may not read it."""
    asked: datetime
    """When the command sent the request, by this machine's clock."""


def ask(kubectl: Kubectl, kind: str, spec: Mapping[str, Any], *, wait: bool) -> Answer:
    """Create a request about `spec.agent` and wait for its answer.

    Raises Refused with the controller's sentence, Failed where nobody answers.
    """
    plural = kind.lower() + ("es" if kind.endswith("s") else "s")
    path = collection(plural, kubectl.namespace)
    metadata = {"generateName": f"{spec['agent']}-"}
    body = {"apiVersion": names.API_VERSION, "kind": kind, "metadata": metadata, "spec": dict(spec)}
    asked = datetime.now(UTC)
    created = kubectl.create(path, body)
    if not wait:
        return Answer(created, None, asked)
    name = created["metadata"]["name"]
    try:
        request = kubectl.wait(path, created, _answered, WAIT_SECONDS)
    except Failed as error:
        raise Failed(
            f"{kind} {name} was created, its answer was not seen ({error.message}). "
            f"Look: kubectl get {kind.lower()} {name} -n {kubectl.namespace}"
        ) from None
    if request is None:
        raise Failed(
            f"{kind} {name} has no answer after {WAIT_SECONDS} s; it expires now and moves nothing."
            " Is the controller running? kubectl get pods -n " + names.SYSTEM_NAMESPACE
        )
    if request["status"]["phase"] != "Committed":
        raise Refused(printable(request["status"].get("message") or request["status"]["phase"]))
    return Answer(request, _transition(kubectl, request), asked)


def timeline(answer: Answer) -> Iterator[str]:
    """Yield what happened when, in milliseconds since the command sent the request."""
    spec, record = answer.request["spec"], answer.transition
    by = spec.get("requestedBy") or "this user"
    yield line(0, f"requested by {printable(by)}{_expecting(spec)}")
    if record is None:
        yield f"         {printable(answer.request['status'].get('message', ''))}"
        return
    recorded, end = moment(record["spec"]["at"]), (record.get("status") or {}).get("end")
    # Two machines' clocks may disagree; then only the records' own times can be compared.
    start = answer.asked if answer.asked <= recorded else recorded
    yield line(milliseconds(start, recorded), f"recorded (transition {record['metadata']['name']})")
    if end:
        what = DONE.get(record["spec"]["type"], "traffic moved")
        what = what if end["outcome"] == "Committed" else end["outcome"].lower()
        yield line(milliseconds(start, moment(end["at"])), what)


def milliseconds(start: datetime, end: datetime) -> int:
    """Return how much later one moment is than another."""
    return round((end - start).total_seconds() * 1000)


def line(after: int, text: str) -> str:
    """Return one line of a timeline."""
    return f"{after:>5} ms {text}"


def _transition(kubectl: Kubectl, request: Object) -> Object | None:
    """Return the record that a request led to, ended."""
    namespace = names.agent_namespace(kubectl.namespace, request["spec"]["agent"])
    path = collection("agenttransitions", namespace)
    try:
        found = kubectl.get(f"{path}/{request['status'].get('transition', '')}")
        return kubectl.wait(path, found, _ended, WAIT_SECONDS) or found if found else None
    except Forbidden:
        return None


def _answered(request: Object) -> bool:
    return bool((request.get("status") or {}).get("phase", "Pending") != "Pending")


def _ended(transition: Object) -> bool:
    return bool((transition.get("status") or {}).get("end"))


def _expecting(spec: Mapping[str, Any]) -> str:
    return f", expecting {spec['expect'][:10]}" if "expect" in spec else ""
