"""What approvals cost: reading them out of git, deciding by them, and fetching a large repository.

fetch, cold: a new mirror of a repository with 10,000 files and 1,000 refs of approvals, over HTTPS
from a real git server on loopback. The refs are asked for by name, in one fetch.

fetch, warm: the same mirror, and nothing has changed since.

fetch, one more: the same mirror, after somebody pushed one approval.

read: the approvals of one proposal out of the mirror, each signature verified; 200 proposals are
open, with five approvals each.

decide: from the bytes of those five to the verdict of every gate.
"""

import argparse
import asyncio
import gc
import hashlib
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from subprocess import run

from benchlib.report import Row, parser, report, say
from interlock.api.config import Git
from interlock.api.values import Outcome
from interlock.evidence import approvals
from interlock.evidence.git import Mirror
from interlock.gates import judge
from interlock_sandbox.gitserver import GitServer, create_repository
from support import facts, policies, signed
from support.gitrepos import MAIN
from support.parts import running
from support.sshkeys import envelope, statement

BUDGET = "budget: fetch cold < 10 s, warm < 1 s; decide p50 <= 10 ms, p99 <= 25 ms"
PEOPLE = (("quality-1", "quality"), ("ot-safety-1", "ot-safety"))
EACH = 5
"""Approvals of a proposal: two that fill the quorum, and more by the same people."""


def content(number: int) -> str:
    """The digest of a proposal."""
    return hashlib.sha256(b"%d" % number).hexdigest()


def said(about: str) -> list[bytes]:
    """The approvals of one content."""
    made = []
    for number in range(EACH):
        person, role = PEOPLE[number % len(PEOPLE)]
        nonce = f"{person}-{number:04}-{about[:8]}"
        whole = statement(person, role, nonce=nonce)
        whole["subject"][0]["digest"]["sha256"] = about
        made.append(envelope(whole, policies.ssh_key(person)))
    return made


def stream(files: int, refs: int) -> Iterator[bytes]:
    """What `git fast-import` makes the repository of."""
    who = b"committer d <d@line-4.example> 1763632800 +0000\n"
    yield b"commit refs/heads/main\n" + who + b"data 1\nx\n"
    for number in range(files):
        text = b"# %d\n" % number + hashlib.sha512(b"%d" % number).hexdigest().encode() * 8
        yield b"M 100644 inline agents/%03d/%d.yaml\n" % (number % 100, number)
        yield b"data %d\n%b\n" % (len(text), text)
    for number in range(refs):
        about = content(number)
        yield f"commit {approvals.ref_of(about)}\n".encode() + who + b"data 1\nx\n"
        for place, data in enumerate(said(about)):
            yield b"M 100644 inline %d.dsse.json\ndata %d\n%b\n" % (place, len(data), data)
    yield b"done\n"


def push_one(repository: Path, about: str) -> None:
    """Add one file to the approvals of a content."""
    ref = approvals.ref_of(about)
    git = ["git", "--git-dir", str(repository)]
    head = b"commit %b\ncommitter d <d@line-4.example> 1763632900 +0000\ndata 1\nx\nfrom %b^0\n"
    name, more = b"%d" % time.monotonic_ns(), b"{}"
    file = b"M 100644 inline %b.json\ndata %d\n%b\n" % (name, len(more), more)
    data = head % (ref.encode(), ref.encode()) + file
    run([*git, "fast-import", "--quiet"], input=data, check=True, capture_output=True)


async def timed(work: Callable[[], Awaitable[object]]) -> float:
    """Milliseconds."""
    gc.collect()
    started = time.perf_counter()
    await work()
    return (time.perf_counter() - started) * 1000


class Bench:
    """One repository at one server, and mirrors of it."""

    def __init__(self, folder: Path, url: str, access: Git, refs: int) -> None:
        self._folder, self._url, self._access = folder, url, access
        named = [MAIN, *(approvals.ref_of(content(number)) for number in range(refs))]
        self._wanted = {name: name for name in named}

    def mirror(self, name: str) -> Mirror:
        """A mirror of its own."""
        return Mirror(self._folder / name, self._access)

    async def fetch(self, mirror: Mirror) -> float:
        """Milliseconds of one fetch. Raises ValueError where something did not come."""

        async def work() -> None:
            found = await mirror.fetch(self._url, self._wanted)
            if found.refused or None in found.tips.values():
                raise ValueError(f"not everything came: {found.refused}")

        return await timed(work)


async def read(mirror: Mirror, proposals: int) -> list[float]:
    """Milliseconds of reading each proposal's approvals."""
    proofs, times = signed.proofs(), []
    for number in range(proposals):

        async def work(about: str = content(number)) -> None:
            found, denied = await approvals.read(mirror, about, proofs)
            if len(found) < EACH:
                raise ValueError(f"{len(found)} approvals of {about} count: {denied}")

        times.append(await timed(work))
    return times


async def decide(runs: int) -> list[float]:
    """Milliseconds from the bytes of the approvals to a verdict."""
    policy, proofs, files = policies.good_policy(), signed.proofs(), said(facts.CONTENT)

    async def work() -> None:
        found = [approvals.parse(data, facts.CONTENT, proofs) for data in files]
        results = judge(facts.good_facts(approvals=found), policy)
        approved = next(each for each in results if each.gate == "change-approval")
        if approved.outcome is not Outcome.PASS:
            raise ValueError(approved.message)

    return [await timed(work) for _ in range(runs)]


async def measured(given: argparse.Namespace, folder: Path) -> list[Row]:
    """Run everything against one server."""
    with running(GitServer(), folder / "server") as server:
        url = create_repository(server, "large")
        repository = Path(server["git_repositories"], "large.git")
        data = b"".join(stream(given.files, given.refs))
        git = ["git", "--git-dir", str(repository), "fast-import", "--quiet", "--done"]
        run(git, input=data, check=True, capture_output=True)
        say(f"{given.files} files and {given.refs} refs of approvals, {len(data) >> 20} MiB")
        bench = Bench(folder, url, access(server, folder), given.refs)
        cold = [await bench.fetch(bench.mirror(f"cold-{n}")) for n in range(given.cold)]
        mirror = bench.mirror("cold-0")
        warm = [await bench.fetch(mirror) for _ in range(given.runs)]
        reads = await read(mirror, min(given.open, given.refs))
        grown = []
        for _ in range(given.runs):
            push_one(repository, content(given.refs - 1))
            grown.append(await bench.fetch(mirror))
    rows = [Row("fetch, cold", given.refs, "ms", cold), Row("fetch, warm", given.refs, "ms", warm)]
    rows += [Row("fetch, one more", given.refs, "ms", grown), Row("read", EACH, "ms", reads)]
    return [*rows, Row("decide", EACH, "ms", await decide(given.runs * 10))]


def access(server: Mapping[str, str], folder: Path) -> Git:
    """How the operator reaches the server."""
    token = folder / "token"
    token.write_text(f"interlock:{Path(server['git_interlock_token_file']).read_text()}")
    return Git(prefix=server["git_url"], token_file=token, ca_file=Path(server["git_ca_file"]))


def main() -> None:
    """Measure and print."""
    options = parser(__doc__)
    options.add_argument("--files", type=int, default=10_000, help="files, default 10,000")
    options.add_argument("--refs", type=int, default=1000, help="refs of approvals, default 1,000")
    options.add_argument("--open", type=int, default=200, help="open proposals, default 200")
    options.add_argument("--cold", type=int, default=3, help="new mirrors, default 3")
    options.add_argument("--runs", type=int, default=20, help="warm fetches, default 20")
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="interlock-bench-") as folder:
        rows = asyncio.run(measured(given, Path(folder)))
    report("approvals", rows, (BUDGET, "no peer reads approvals out of git"), given)


if __name__ == "__main__":
    main()
