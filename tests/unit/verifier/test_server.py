"""Both sides of the socket: every end of a request is an answer, and the next one is served."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from interlock.api.facts import Findings, Pin, Unresolved
from interlock.api.reasons import Reason
from interlock.evidence import wire
from interlock.evidence.verifierclient import VerifierClient
from interlock.evidence.wire import FindingsRequest
from interlock.verifier.jobs import Answer
from interlock.verifier.server import application
from support.socket import talking

FOUND = Findings(pins=[Pin(name="image", expected="a", got="a")])


class Runs:
    """Answers each request by the name of the agent that it is about."""

    def __init__(self) -> None:
        self.closed = False

    async def findings(self, request: FindingsRequest, body: bytes) -> Answer:
        """Fail in the way that the agent is named after."""
        if request.name == "raises":
            raise RuntimeError("a surprise")
        if request.name == "hangs":
            await asyncio.Event().wait()
        if request.name == "unresolved":
            return Answer.unresolved(Reason.SOURCE_UNAVAILABLE, "MLflow is away.")
        assert request == FindingsRequest.model_validate_json(body)
        assert request.targets == {"trust.yaml": "signers: []"}
        return Answer(resolved=True, body=FOUND.model_dump_json().encode())

    async def governance(self, body: bytes) -> Answer:
        """Say what was asked."""
        return Answer.unresolved(Reason.POLICY_STALE, body.decode())

    async def close(self) -> None:
        """Remember it."""
        self.closed = True


async def ask(client: VerifierClient, name: str = "press", **changes: Any) -> Findings | Unresolved:
    targets = {"trust.yaml": b"signers: []"}
    fields = {"namespace": "line-4", "name": name, "spec": {}, "targets": targets, "since": ""}
    return await client.findings(**{**fields, **changes})


async def test_findings_and_their_lack_arrive_as_they_are(tmp_path: Path) -> None:
    runs = Runs()
    async with talking(application(runs), tmp_path) as client:
        assert await ask(client) == FOUND
        answer = await ask(client, "unresolved")
        assert answer == Unresolved(reason="SourceUnavailable", message="MLflow is away.")
        governance = await client.governance({})
        assert governance == Unresolved(reason="PolicyStale", message="{}")
    assert runs.closed


async def test_one_requests_failure_is_its_own(tmp_path: Path) -> None:
    async with talking(application(Runs()), tmp_path) as client:
        hanging = asyncio.create_task(ask(client, "hangs"))
        answer = await ask(client, "raises")
        assert isinstance(answer, Unresolved)
        assert (answer.reason, "surprise" in answer.message) == ("InternalError", False)
        assert await ask(client) == FOUND
        hanging.cancel()


async def test_a_request_that_is_none_is_invalid(tmp_path: Path) -> None:
    async with talking(application(Runs()), tmp_path) as client:
        answer = await ask(client, since="main; rm -rf /")
        assert isinstance(answer, Unresolved)
        assert answer.reason == "Invalid"
        assert "since" in answer.message


@pytest.mark.parametrize("side", ["client", "server"])
async def test_a_request_over_its_cap_is_refused_on_both_sides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, side: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(wire, "MAX_REQUEST_BYTES", 1000)
        app = application(Runs())
    limit = wire.MAX_REQUEST_BYTES if side == "client" else 1000
    async with talking(app, tmp_path) as client:
        answer = await ask(client, targets={"trust.yaml": bytes(limit)})
    assert isinstance(answer, Unresolved)
    assert answer.reason == "Invalid"
    assert ("policy are" if side == "client" else "request is larger") in answer.message


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b"<html>", "not findings"),
        (200, b"x" * (wire.MAX_FINDINGS_BYTES + 1), "more than"),
        (500, b"oops", "without saying why"),
        (422, b"{}", "without saying why"),
    ],
)
async def test_a_verifier_that_talks_nonsense_is_unavailable(
    tmp_path: Path, status: int, body: bytes, expected: str
) -> None:
    async def nonsense(_: web.Request) -> web.Response:
        return web.Response(status=status, body=body)

    app = web.Application()
    app.router.add_post(wire.FINDINGS, nonsense)
    async with talking(app, tmp_path) as client:
        answer = await ask(client)
    assert isinstance(answer, Unresolved)
    assert answer.reason == "VerifierUnavailable"
    assert expected in answer.message


async def test_a_verifier_that_hangs_is_unavailable(tmp_path: Path) -> None:
    async with talking(application(Runs()), tmp_path, seconds=0.1) as client:
        answer = await ask(client, "hangs")
    assert isinstance(answer, Unresolved)
    assert answer.reason == "VerifierUnavailable"


async def test_no_verifier_is_a_sentence(tmp_path: Path) -> None:
    client = VerifierClient(tmp_path / "nobody.sock")
    answer = await ask(client)
    await client.close()
    assert isinstance(answer, Unresolved)
    assert answer.reason == "VerifierUnavailable"
    assert json.loads(answer.model_dump_json())["message"].startswith("The verifier cannot be")
