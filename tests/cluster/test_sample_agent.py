"""The sample agent does what its README says: as a program, and as an image in a registry."""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from interlock.evidence.oci import MANIFEST
from interlock_pipelines.tree import read_tree
from interlock_sandbox import agentimage, golang
from interlock_sandbox.agentimage import push_agent
from interlock_sandbox.registry import Registry
from support.parts import running
from support.sampleagent import POD, REVISION, Running, agent, until
from support.workqueue import Queue, serving

MODEL = Path(__file__).parents[2] / "examples" / "press-scheduler" / "model"
VIOLATIONS = "interlock_violations_total"
DECISIONS = "interlock_decisions_total"
BEAT = ("interlock_decision_log_heartbeat_timestamp_seconds",)


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with agent(tmp_path_factory.mktemp("agent"), AGENT_VERSION="1.4.2") as one:
        yield one


@pytest.fixture
def told(healthy: Running) -> Iterator[Running]:
    """The same agent, healed afterwards."""
    yield healthy
    assert healthy.tell("") == 200


def code(one: Running, path: str) -> int:
    return one.ask(path)[0]


def test_it_says_who_it_is(healthy: Running) -> None:
    status, body = healthy.ask("/")
    who = {"revision": REVISION, "version": "1.4.2"}
    assert (status, json.loads(body)) == (200, who | {"pod": POD, "model": "none"})
    known = json.loads(healthy.ask("/.well-known/agent")[1])
    assert known == who | {"agent": "press-scheduler", "modelTree": "none", "mode": "request"}
    assert code(healthy, "/healthz") == 200
    assert code(healthy, "/elsewhere") == 404


def test_what_interlock_says_goes_before_the_pods_name(tmp_path: Path) -> None:
    name = {"INTERLOCK_AGENT": "line-vision", "INTERLOCK_REVISION": "04bd62f1aa"}
    with agent(tmp_path, POD_NAME="cut-short-by-the-limit", **name) as one:
        assert json.loads(one.ask("/")[1])["revision"] == "line-vision-04bd62f1aa"


def test_it_names_the_model_by_the_digest_that_was_approved(tmp_path: Path) -> None:
    copy = tmp_path / "models" / "press-scheduler"
    shutil.copytree(MODEL, copy)
    for folder in ("a", "a.b"):  # a walk meets a/x first, in byte order a.b/x comes first
        (copy / folder).mkdir()
        (copy / folder / "x").write_text(folder)
    tree = read_tree(copy).digest.removeprefix("sha256:")
    with agent(tmp_path, MODELS=str(copy.parent)) as one:
        assert json.loads(one.ask("/")[1])["model"] == tree[:16]
        assert json.loads(one.ask("/.well-known/agent")[1])["modelTree"] == tree


def test_metrics_are_there_before_anything_happened(tmp_path: Path) -> None:
    with agent(tmp_path) as one:
        series = one.metrics()
    assert {key: value for key, value in series.items() if key[0] in (DECISIONS, VIOLATIONS)} == {
        (DECISIONS, "allow", "info"): 0,
        (DECISIONS, "deny", "policy"): 0,
        (DECISIONS, "deny", "safety"): 0,
        (VIOLATIONS, "policy"): 0,
        (VIOLATIONS, "safety"): 0,
    }
    assert series["http_requests_total", "200"] == series["http_requests_total", "500"] == 0
    assert series["http_request_duration_seconds_bucket", "+Inf"] == 0
    assert series[BEAT] > 0


def test_an_answer_is_counted_and_a_probe_is_not(healthy: Running) -> None:
    before = healthy.metrics()
    for path in ("/", "/", "/healthz", "/metrics"):
        healthy.ask(path)
    after = healthy.metrics()
    grown = {key: after[key] - value for key, value in before.items() if after[key] != value}
    assert grown.pop(("http_request_duration_seconds_sum",)) > 0
    grown.pop(BEAT, None)
    assert set(grown.values()) == {2}
    assert {("http_requests_total", "200"), (DECISIONS, "allow", "info")} <= grown.keys()
    assert {("http_request_duration_seconds_count",)} <= grown.keys()


@pytest.mark.parametrize("fault", ["never-ready", "ready-after=1h", "unhealthy-after=0s"])
def test_ill_health_shows_and_heals(told: Running, fault: str) -> None:
    assert told.tell(fault) == 200
    status, body = told.ask("/healthz")
    assert (status, json.loads(body)) == (503, {"status": fault.partition("=")[0]})
    assert code(told, "/") == 200
    assert told.tell("") == 200
    assert code(told, "/healthz") == 200


def test_health_changes_by_itself_after_a_time(told: Running) -> None:
    assert told.tell("unhealthy-after=200ms") == 200
    assert code(told, "/healthz") == 200
    assert until(lambda: code(told, "/healthz") == 503)
    assert told.tell("ready-after=200ms") == 200
    assert code(told, "/healthz") == 503
    assert until(lambda: code(told, "/healthz") == 200)


def test_a_part_of_all_answers_fails(told: Running) -> None:
    assert told.tell("errors=0.25") == 200
    before = told.metrics()["http_requests_total", "500"]
    assert [code(told, "/") for _ in range(8)].count(500) == 2
    assert told.metrics()["http_requests_total", "500"] == before + 2


def test_a_slow_agent_answers_late_and_stays_healthy(told: Running) -> None:
    assert told.tell("slow=300ms") == 200
    seconds = ("http_request_duration_seconds_sum",)
    before = told.metrics()[seconds]
    assert code(told, "/") == 200
    assert told.metrics()[seconds] - before >= 0.3
    assert code(told, "/healthz") == 200


@pytest.mark.parametrize("severity", ["policy", "safety"])
def test_a_violation_is_denied_and_counted_once(told: Running, severity: str) -> None:
    before = told.metrics()
    assert told.tell(f"violate={severity}") == 200
    wanted = [(VIOLATIONS, severity), (DECISIONS, "deny", severity)]
    assert until(lambda: told.metrics()[wanted[0]] == before[wanted[0]] + 1)
    changed = {key for key, value in told.metrics().items() if value != before[key]}
    assert changed - {BEAT} == set(wanted)


def test_violations_go_on_until_told_otherwise(told: Running) -> None:
    before = told.metrics()[VIOLATIONS, "policy"]
    assert told.tell("violate=policy@1000/s") == 200
    assert until(lambda: told.metrics()[VIOLATIONS, "policy"] >= before + 5)
    assert told.tell("") == 200
    stopped = told.metrics()[VIOLATIONS, "policy"]
    assert {code(told, "/") for _ in range(50)} == {200}
    assert told.metrics()[VIOLATIONS, "policy"] <= stopped + 1  # one may have been under way


def test_the_heartbeat_moves_until_it_is_silenced(told: Running, tmp_path: Path) -> None:
    first = told.metrics()[BEAT]
    assert until(lambda: told.metrics()[BEAT] > first)
    with agent(tmp_path, AGENT_FAULT="silence") as silent:
        assert silent.metrics()[BEAT] == 0


def test_a_leak_grows(tmp_path: Path) -> None:
    def resident(one: Running) -> int:
        size = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{one.process.pid}/status").read_text())
        return int(size[1]) if size else 0

    with agent(tmp_path) as one:
        before = resident(one)
        assert one.tell("leak") == 200
        assert until(lambda: resident(one) > before + 50_000)


def test_it_crashes_as_told_with_its_own_exit_code(tmp_path: Path) -> None:
    with agent(tmp_path, AGENT_FAULT="crash-after=100ms,slow=1s") as one:
        assert one.process.wait(10) == 3
        assert one.says("crashing as told")


BAD = ["explode", "slow", "slow=-1s", "slow=2h", "errors=2", "errors=NaN", "leak=1", "leak,leak"]
BAD += ["violate", "violate=info", "violate=policy@0/s", "violate=policy@9999/s", "x" * 600]


@pytest.mark.parametrize("fault", BAD)
def test_a_fault_that_does_not_exist_changes_nothing(told: Running, fault: str) -> None:
    assert told.tell("never-ready") == 200
    assert told.tell(fault) == 400
    assert json.loads(told.ask("/healthz")[1]) == {"status": "never-ready"}


@pytest.mark.parametrize(
    "body", [{}, {"fault": None}, [], {"fault": "", "x": 1}, {"fault": "x" * 5000}]
)
def test_a_body_of_another_shape_is_refused(healthy: Running, body: object) -> None:
    status, answer = healthy.ask("/control", body)
    assert status == 400
    assert "never-ready, ready-after=5s" in json.loads(answer)["error"]


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("AGENT_FAULT", "explode", 'no fault "explode"; these exist, joined by commas: never-'),
        ("PORT", "0", "expected 1 to 65535"),
        ("GRACE", "soon", "expected a duration from 0s to 1h"),
        ("QUEUE_URL", "https://queue.example", "QUEUE_URL is not http://HOST:PORT"),
        ("QUEUE_URL", "http://a:secret@queue.example", "without a user"),
    ],
)
def test_it_refuses_to_start_and_says_why(
    tmp_path: Path, variable: str, value: str, expected: str
) -> None:
    with agent(tmp_path, **{variable: value}) as one:
        assert one.process.wait(10) == 2
        (line,) = one.lines()
        assert (line["level"], line["msg"]) == ("ERROR", "refused to start")
        assert expected in line["error"]
        assert "secret" not in line["error"]


def test_a_connection_stays_open_until_it_is_told_to_end(tmp_path: Path) -> None:
    with agent(tmp_path, LINGER="10s", GRACE="20s") as one:
        kept = one.connect()
        with contextlib.closing(kept):
            kept.request("GET", "/")
            assert kept.getresponse().read()
            one.process.send_signal(signal.SIGTERM)
            assert until(lambda: one.ask("/healthz") == (503, b'{"status":"stopping"}\n'))
            kept.request("GET", "/")
            answer = kept.getresponse()
            assert answer.status == 200
            assert answer.headers["Connection"] == "close"
        assert one.process.poll() is None


def test_sigterm_finishes_what_is_under_way_and_takes_nothing_new(tmp_path: Path) -> None:
    with agent(tmp_path, AGENT_FAULT="slow=1s") as one:
        kept = one.connect()
        with contextlib.closing(kept):
            kept.request("GET", "/")
            assert until(lambda: one.metrics()[DECISIONS, "allow", "info"] == 1)
            one.process.send_signal(signal.SIGTERM)
            assert until(lambda: refused(one))
            assert one.process.poll() is None
            assert kept.getresponse().status == 200
        assert one.process.wait(10) == 0
        assert one.lines()[-1]["msg"] == "ended"


def refused(one: Running) -> bool:
    try:
        one.ask("/healthz")
    except (OSError, http.client.HTTPException):
        return True
    return False


def test_after_the_grace_whoever_is_left_is_cut_off(tmp_path: Path) -> None:
    with agent(tmp_path, AGENT_FAULT="slow=1h", GRACE="100ms") as one:
        kept = one.connect()
        with contextlib.closing(kept):
            kept.request("GET", "/")
            assert until(lambda: one.metrics()[DECISIONS, "allow", "info"] == 1)
            one.process.send_signal(signal.SIGTERM)
            assert one.process.wait(10) == 1
        assert one.says("ended, but somebody was cut off")


def test_a_stream_goes_on_and_ends_with_a_last_line(tmp_path: Path) -> None:
    with agent(tmp_path) as one, contextlib.closing(one.connect()) as kept:
        kept.request("GET", "/stream")
        answer = kept.getresponse()
        assert answer.headers["Transfer-Encoding"] == "chunked"
        assert [json.loads(answer.readline()) for _ in range(3)] == [{"revision": REVISION}] * 3
        one.process.send_signal(signal.SIGTERM)
        rest = [json.loads(line) for line in answer.read().splitlines()]
        assert rest[-1] == {"revision": REVISION, "last": True}
        assert one.process.wait(10) == 0


def test_an_autonomous_agent_does_one_item_after_another(tmp_path: Path) -> None:
    with serving(Queue(supply=5)) as queue:
        with agent(tmp_path, QUEUE_URL=queue.url, WORK="10ms") as one:
            assert queue.wait(lambda q: len(q.writes) == 5)
            assert json.loads(one.ask("/.well-known/agent")[1])["mode"] == "autonomous"
            assert one.metrics()[DECISIONS, "allow", "info"] == 5
        writes = queue.writes
        assert [write.item for write in writes] == [f"item-{n}" for n in range(1, 6)]
        assert {(write.revision, write.pod) for write in writes} == {(REVISION, POD)}
        assert all(write.written - write.taken >= 0.01 for write in writes)
        assert all(old.written < new.taken for old, new in pairwise(writes))


def test_after_sigterm_it_writes_what_it_holds_and_takes_no_more(tmp_path: Path) -> None:
    with serving() as queue, agent(tmp_path, QUEUE_URL=queue.url, WORK="500ms") as one:
        assert queue.wait(lambda q: bool(q.open))
        one.process.send_signal(signal.SIGTERM)
        assert one.process.wait(10) == 0
        assert [write.item for write in queue.writes] == ["item-1"]
        assert queue.open == frozenset()


def test_a_write_that_failed_is_made_again(tmp_path: Path) -> None:
    with contextlib.ExitStack() as both:
        queue = both.enter_context(serving(Queue(supply=1, failures=2)))
        both.enter_context(agent(tmp_path, QUEUE_URL=queue.url, WORK="0s"))
        assert queue.wait(lambda q: len(q.writes) == 1)
        assert queue.failures == 0


def test_a_write_that_was_refused_is_given_up(tmp_path: Path) -> None:
    with serving() as queue, agent(tmp_path, QUEUE_URL=queue.url, WORK="300ms") as one:
        assert queue.wait(lambda q: bool(q.open))
        said = {"id": "item-1", "revision": "another", "pod": "p", "began": "", "ended": ""}
        queue.write(said)
        assert queue.wait(lambda q: len(q.writes) == 2)
        assert [write.revision for write in queue.writes] == ["another", REVISION]
        assert one.says("the queue refused what was done, given up")


def test_two_revisions_beside_each_other_are_seen_to_overlap(tmp_path: Path) -> None:
    other = {"INTERLOCK_AGENT": "press-scheduler", "INTERLOCK_REVISION": "a71e0c93d2"}
    with serving() as queue, contextlib.ExitStack() as both:
        both.enter_context(agent(tmp_path, QUEUE_URL=queue.url, WORK="20ms"))
        assert queue.wait(lambda q: len(q.writes) > 2)
        assert queue.overlapping() == ()
        both.enter_context(agent(tmp_path, QUEUE_URL=queue.url, WORK="20ms", **other))
        assert queue.wait(lambda q: bool(q.overlapping()))
        assert queue.wait(Queue.interleaved)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(Registry(), tmp_path_factory.mktemp("sandbox")) as outputs:
        yield outputs["registry"]


def pulled(reference: str, kind: str, name: str) -> bytes:
    address, _, repository = reference.partition("@")[0].partition("/")
    with contextlib.closing(http.client.HTTPConnection(address, timeout=10)) as connection:
        connection.request("GET", f"/v2/{repository}/{kind}/{name}", headers={"Accept": MANIFEST})
        return connection.getresponse().read()


def test_the_same_input_is_the_same_image_and_any_other_is_another(registry: str) -> None:
    told = {"AGENT_FAULT": "never-ready", "WORK": "1s"}
    first = push_agent(registry, version="1", defaults=told)
    assert re.fullmatch(rf"{registry}/agents/sample@sha256:[0-9a-f]{{64}}", first)
    assert push_agent(registry, version="1", defaults=dict(reversed(told.items()))) == first
    others = {
        push_agent(registry, version="2", defaults=told),
        push_agent(registry, version="1", defaults={"AGENT_FAULT": "leak"}),
        push_agent(registry, version="1"),
    }
    assert len(others | {first}) == 4


def test_all_images_share_the_layer_with_the_program(registry: str) -> None:
    pushed = [push_agent(registry, version=f"v{n}", repository="agents/press") for n in (1, 2)]
    manifests = [json.loads(pulled(each, "manifests", each.partition("@")[2])) for each in pushed]
    (layer,) = manifests[0]["layers"]
    assert manifests[1]["layers"] == [layer]
    config = json.loads(pulled(pushed[1], "blobs", manifests[1]["config"]["digest"]))
    assert config["config"]["Env"] == ["AGENT_VERSION=v2"]
    assert agentimage.program().read_bytes() in pulled(pushed[0], "blobs", layer["digest"])


def test_it_is_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first = agentimage.program()
    monkeypatch.delattr("interlock_sandbox.golang.build")
    assert agentimage.program() == first


def test_two_calls_at_once_compile_once_and_make_the_same_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = agentimage.program().read_bytes()
    shared = subprocess.check_output([str(golang.find().program), "env", "GOCACHE"], text=True)
    monkeypatch.setenv("GOCACHE", shared.strip())  # else Go compiles its whole library again
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made: list[Path] = []
    both = [threading.Thread(target=lambda: made.append(agentimage.program())) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert made[0] == made[1]
    assert made[0].read_bytes() == first
    assert os.access(made[0], os.X_OK)
