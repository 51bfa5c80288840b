"""The program around the rules: closed first, ready once, last good rules kept, table removed."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from interlock_sandbox.netpol import __main__ as program
from interlock_sandbox.netpol import enforce, nft, watch
from interlock_sandbox.netpol.compile import TABLES, removal, ruleset
from interlock_sandbox.netpol.model import Model
from interlock_sandbox.netpol.policy import network
from interlock_sandbox.netpol.watch import Mirror

Object = dict[str, Any]
RANGES = [network("10.0.0.0/24", "")]
CLOSED = ruleset(Model(), RANGES, TABLES[0])


def pod(number: int, ip: str = "", version: str = "2") -> Object:
    meta = {"namespace": "n", "name": f"pod-{number}", "resourceVersion": version}
    return {"metadata": meta, "status": {"podIPs": [{"ip": ip or f"10.0.0.{number}"}]}}


def event(kind: str, obj: Object) -> Object:
    return {"type": kind, "object": obj}


class Response:
    """An answer of the fake API server; a watch without an end waits for `more`."""

    def __init__(self, body: object = None, events: Iterable[Object] = ()) -> None:
        self.status = 200
        self._body, self._events = body, events
        self.content = self._lines()
        self.response = self  # the official client wraps aiohttp's

    async def _lines(self) -> AsyncIterator[bytes]:
        for each in self._events:
            await asyncio.sleep(0)
            yield json.dumps(each).encode() + b"\n"
        await asyncio.Event().wait()

    async def read(self) -> bytes:
        return json.dumps(self._body).encode()

    def close(self) -> None:
        pass


class FakeApi:
    """Answers lists and watches of pods from a script; the other kinds are empty."""

    def __init__(self, *script: Response | Exception) -> None:
        self.script = list(script)
        self.asked: list[str] = []
        self.closed = False
        self.policies = asyncio.Event()  # set when policies may be listed
        self.policies.set()
        self.deny = False
        self.rest_client = self
        self.configuration = self
        self.host = "https://api.example"

    async def update_params_for_auth(self, *_: object) -> None:
        pass

    async def request(self, _: str, url: str, **__: object) -> Response:
        if "/networkpolicies?" in url:
            await self.policies.wait()
            meta = {"namespace": "n", "name": "closed"}
            closed = [{"metadata": meta, "spec": {"podSelector": {}}}] if self.deny else []
            return Response({"items": closed, "metadata": {"resourceVersion": "1"}})
        if "/pods?" not in url:
            return Response({"items": [], "metadata": {"resourceVersion": "1"}})
        self.asked.append(url.partition("?")[2])
        answer = self.script.pop(0) if self.script else Response()
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def close(self) -> None:
        self.closed = True


def listed(*pods: Object) -> Response:
    return Response({"items": list(pods), "metadata": {"resourceVersion": "1"}})


class Kernel:
    """Stands for nft: which tables there are, and all that were written; refuses on demand."""

    def __init__(self) -> None:
        self.there: dict[str, str] = {}
        self.written: list[str] = []
        self.least = 2  # tables in force, at any moment
        self.refuses: Callable[[str], bool] = lambda _: False
        self.refused = ""
        self.changed = asyncio.Event()

    async def apply(self, text: str) -> None:
        self.changed.set()
        if self.refuses(text):
            self.refused = text
            raise nft.NftError("line 3 is wrong")
        for table in TABLES:
            if removal(table) in text:
                self.there.pop(table, None)
            if f"table {table} {{" in text:
                self.there[table] = text.replace(table, TABLES[0])
                self.written.append(self.there[table])
        self.least = min(self.least, len(self.there))

    async def tables(self) -> list[str]:
        return list(self.there)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    made = Kernel()
    monkeypatch.setattr(nft, "apply", made.apply)
    monkeypatch.setattr(nft, "tables", made.tables)
    monkeypatch.setattr(watch, "PAUSE", 0.0)
    monkeypatch.setattr(enforce, "RETRY", 0.0)
    return made


def started(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> "asyncio.Task[None]":
    async def connect(_: Path) -> FakeApi:
        return api

    monkeypatch.setattr(enforce, "connect", connect)
    return asyncio.ensure_future(enforce.enforce(Path("unused"), RANGES))


async def ended(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def has(kernel: Kernel, address: str) -> Callable[[], bool]:
    """Whether one table alone is in force, and knows this address."""
    return lambda: [f" {address} . " in text for text in kernel.there.values()] == [True]


async def test_it_closes_first_then_enforces_says_so_once_and_cleans_up(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    api = FakeApi(listed(pod(1)), Response(events=[event("ADDED", pod(2))]))
    task = started(api, monkeypatch)
    await kernel.until(has(kernel, "10.0.0.2"))
    await ended(task)
    assert kernel.written[0] == CLOSED
    assert "10.0.0.1" in kernel.written[1]
    assert kernel.there == {}
    assert capsys.readouterr().out.count("ready: ") == 1
    assert api.closed


@pytest.mark.parametrize("left", [TABLES[:1], TABLES[1:], TABLES])
async def test_a_predecessors_rules_stay_until_there_are_better_ones(
    left: tuple[str, ...], kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel.there = dict.fromkeys(left, "a predecessor's")
    task = started(FakeApi(listed(pod(1))), monkeypatch)
    await kernel.until(has(kernel, "10.0.0.1"))
    assert kernel.least == 1
    await ended(task)
    assert len(kernel.written) == 1


async def test_pods_stay_closed_until_their_policies_are_known(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = FakeApi(listed(pod(1)), Response())
    api.policies.clear()
    api.deny = True
    task = started(api, monkeypatch)
    async with asyncio.timeout(5):
        while len(api.asked) < 2:  # pods are listed, and watched already
            await asyncio.sleep(0)
    for _ in range(20):  # turns of the loop in which wrong rules could be written
        await asyncio.sleep(0)
    api.policies.set()
    await kernel.until(has(kernel, "10.0.0.1"))
    await ended(task)
    assert kernel.written[0] == CLOSED
    assert all("10.0.0.1 : jump ingress-0" in text for text in kernel.written[1:])


async def test_refused_rules_are_reported_and_tried_again(
    kernel: Kernel,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    kernel.refuses = lambda text: "10.0.0.1" in text
    task = started(FakeApi(listed(pod(1))), monkeypatch)
    await kernel.until(lambda: "10.0.0.1" in kernel.refused)
    assert list(kernel.there.values()) == [CLOSED]
    assert capsys.readouterr().out == ""
    kernel.refuses = lambda _: False
    await kernel.until(has(kernel, "10.0.0.1"))
    await ended(task)
    assert "line 3 is wrong" in caplog.text


async def test_the_same_rules_are_not_put_in_twice(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    same = [event("MODIFIED", pod(1, version=str(number))) for number in range(3, 20)]
    events = Response(events=[*same, event("ADDED", pod(2))])
    task = started(FakeApi(listed(pod(1)), events), monkeypatch)
    await kernel.until(has(kernel, "10.0.0.2"))
    await ended(task)
    assert len(kernel.written) == 3  # closed, one pod, two pods


async def test_when_it_fails_its_rules_stay(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = started(FakeApi(Response({"no": "items"})), monkeypatch)
    with pytest.raises(ExceptionGroup):
        await task
    assert list(kernel.there.values()) == [CLOSED]


async def test_it_does_not_start_when_it_cannot_close(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel.refuses = lambda _: True
    api = FakeApi()
    with pytest.raises(nft.NftError):
        await started(api, monkeypatch)
    assert api.asked == []


async def test_problems_are_said_once(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    twice = [pod(1, "10.0.0.9"), pod(2, "10.0.0.9")]
    events = Response(events=[event("ADDED", pod(3)), event("ADDED", pod(4))])
    task = started(FakeApi(listed(*twice), events), monkeypatch)
    await kernel.until(has(kernel, "10.0.0.4"))
    await ended(task)
    assert caplog.text.count("10.0.0.9 is claimed by 2 running pods") == 1


async def test_a_mirror_lists_again_when_the_watch_cannot_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch, "PAUSE", 0.0)
    gone = event("ERROR", {"code": 410, "message": "too old"})
    first = Response(events=[event("ADDED", pod(2, version="7")), gone])
    api = FakeApi(listed(pod(1)), first, OSError("refused"), listed(pod(3)))
    done = asyncio.Event()
    mirror = Mirror(api, "Pod", lambda: done.set() if [*mirror.objects] == [pod(3)] else None)
    task = asyncio.ensure_future(mirror.run())
    async with asyncio.timeout(5):
        await done.wait()
    await ended(task)
    assert [query.split("&")[0] for query in api.asked][:4] == ["", "watch=true", "", ""]


def test_a_mirror_takes_events_in_and_remembers_how_far_it_got() -> None:
    calls: list[int] = []
    mirror = Mirror(None, "Pod", lambda: calls.append(1))
    for kind, obj in (("ADDED", pod(1)), ("ADDED", pod(2)), ("MODIFIED", pod(1, "10.0.0.8"))):
        assert mirror.take(event(kind, obj)) == "2"
    assert mirror.take(event("DELETED", pod(2, version="5"))) == "5"
    assert mirror.objects == [pod(1, "10.0.0.8")]
    assert mirror.take(event("BOOKMARK", {"metadata": {"resourceVersion": "9"}})) == "9"
    assert len(calls) == 4
    with pytest.raises(OSError, match="410 gone"):
        mirror.take(event("ERROR", {"code": 410, "message": "gone"}))


def test_a_range_that_is_none_is_refused_with_an_example(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.touch()
    done = CliRunner().invoke(program.main, ["--kubeconfig", str(config), "--pod-cidr", "10.0/x"])
    assert done.exit_code == 2
    assert "--pod-cidr is '10.0/x', expected a network such as" in done.output
