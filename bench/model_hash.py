"""How fast a model is hashed, beside what the same cores can do and beside model_signing.

hash: a model's files, mapped into memory, through the code that hashes what a registry sends.
hash, processor time: the same by the time that the cores spent on it, where others share them.
hash over HTTP: `Mlflow.tree`, so listed, fetched from another process on the same cores, hashed
and looked into; its floor is the same client without hashing. Of the processor time that of the
serving process is left out.

The hardware's rate is one thread a core with SHA-256 over a buffer of 1 MiB, as `openssl speed`
measures it. Each figure is the best of its rounds, which take turns.
"""

import asyncio
import hashlib
import mmap
import os
import resource
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import model_signing
from aiohttp import web

from benchlib.report import Row, parser, report, stage
from interlock.api.config import Registry
from interlock.evidence.hashing import Digester, together
from interlock.evidence.http import Http
from interlock.evidence.mlflow import Mlflow, ModelVersion

MIB, GIB = 1 << 20, 1 << 30
FILES = 16
CORES = len(os.sched_getaffinity(0))
UNIT = "GiB/s"
API = "/api/2.0/mlflow-artifacts/artifacts"
BUDGET = "budget: ratio of `hash` (ours / hardware, more is better) >= 0.9; memory <= 128 MiB"
SAMPLE_SECONDS = 0.005


@dataclass
class Best:
    """The best rates of one contender: by the clock, and by the cores' time."""

    clock: float = 0.0
    cores: float = 0.0

    def note(self, work: Callable[[], object], size: int) -> None:
        """Do it once more."""
        clock, spent = time.perf_counter(), _spent()
        work()
        clock, spent = time.perf_counter() - clock, _spent() - spent
        self.clock = max(self.clock, size / GIB / clock)
        self.cores = max(self.cores, size / GIB / spent * CORES)


@dataclass
class Memory:
    """How much anonymous memory this process takes above what it took, at its worst."""

    idle: int
    worst: int = 0

    def watch(self, done: threading.Event) -> None:
        """Look until it is done."""
        while not done.wait(SAMPLE_SECONDS):
            self.worst = max(self.worst, _anonymous() - self.idle)


def measure(folder: Path, size: int, rounds: int, *, peer: bool) -> list[Row]:
    """All rows."""
    with stage(f"{size / GIB:.2f} GiB in {FILES} files"):
        _write(folder, size)
    hardware, ours, theirs, http, bare = Best(), Best(), Best(), Best(), Best()
    with _served(folder) as url:
        asyncio.run(_over_http(url))  # what is loaded and opened once is not what is measured
        memory = Memory(_anonymous())
        for turn in range(rounds):
            with stage(f"round {turn + 1} of {rounds}"):
                hardware.note(lambda: _hardware(size), size)
                with _watched(memory):
                    ours.note(lambda: asyncio.run(_mapped(folder)), size)
                    http.note(lambda: asyncio.run(_over_http(url)), size)
                bare.note(lambda: asyncio.run(_fetched(url)), size)
                if peer:
                    theirs.note(lambda: model_signing.hashing.hash(folder), size)
    count = size // MIB
    rows = [
        Row("hash", count, UNIT, value=ours.clock, peer=hardware.clock),
        Row("hash, processor time", count, UNIT, value=ours.cores, peer=hardware.cores),
        Row("hash over HTTP", count, UNIT, value=http.clock, peer=hardware.clock, floor=bare.clock),
        Row("hash over HTTP, processor time", count, UNIT, value=http.cores, peer=hardware.cores),
        Row("memory above idle while hashing", count, "MiB", value=memory.worst / MIB),
    ]
    if peer:
        rows.insert(2, Row("model_signing", count, UNIT, value=theirs.clock, peer=hardware.clock))
    return rows


def _hardware(size: int) -> None:
    buffer = os.urandom(MIB)

    def one(_: int) -> None:
        digest = hashlib.sha256()
        for _ in range(size // MIB // CORES):
            digest.update(buffer)

    with ThreadPoolExecutor(CORES) as threads:
        list(threads.map(one, range(CORES)))


async def _mapped(folder: Path) -> None:
    async def one(path: Path) -> str:
        with path.open("rb") as file:
            mapped = memoryview(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ))
        digester = Digester()
        for start in range(0, len(mapped), MIB):
            await digester.update(mapped[start : start + MIB])
        return await digester.hexdigest()

    await together(sorted(folder.iterdir()), one)


async def _over_http(url: str) -> None:
    registry = Mlflow("bench", Registry(mlflow=url))
    try:
        tree = await registry.tree(ModelVersion("bench", "1", "model", ""))
    finally:
        await registry.close()
    assert len(tree.files) == FILES


async def _fetched(url: str) -> None:
    """Read what `_over_http` reads, with the same client, and do nothing with it."""
    http = Http("bench", None, None)

    async def one(number: int) -> None:
        async for _ in http.stream(f"{url}{API}/model/{_name(number)}"):
            pass

    try:
        await together(range(FILES), one)
    finally:
        await http.close()


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    """A server of the folder, in a process of its own on the same cores."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(folder, theirs), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.kill()
        process.join()


def _serve(folder: Path, ready: Connection) -> None:
    async def listing(_: web.Request) -> web.Response:
        files = [
            {"path": one.name, "is_dir": False, "file_size": one.stat().st_size}
            for one in folder.iterdir()
        ]
        return web.json_response({"files": files})

    async def file(request: web.Request) -> web.FileResponse:
        return web.FileResponse(folder / request.match_info["name"])

    async def run() -> None:
        app = web.Application()
        app.add_routes([web.get(API, listing), web.get(f"{API}/model/{{name}}", file)])
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        ready.send(runner.addresses[0][1])
        await asyncio.Event().wait()

    asyncio.run(run())


@contextmanager
def _watched(memory: Memory) -> Iterator[None]:
    done = threading.Event()
    watcher = threading.Thread(target=memory.watch, args=(done,))
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _write(folder: Path, size: int) -> None:
    block = os.urandom(MIB)
    for number in range(FILES):
        with (folder / _name(number)).open("wb") as file:
            for _ in range(size // FILES // MIB):
                file.write(block)


def _name(number: int) -> str:
    return f"weights-{number:02}.safetensors"


def _spent() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _anonymous() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) * 1024


def main() -> None:
    """Measure and print."""
    options = parser(__doc__)
    options.add_argument("--mib", type=int, default=4096, help="size of the model, default 4096")
    options.add_argument("--rounds", type=int, default=5, help="default 5")
    given = options.parse_args()
    size = max(given.mib // FILES, 1) * FILES * MIB
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(Path(folder), size, given.rounds, peer=not given.no_peer)
    notes = (f"cores used: {CORES}", f"peer: SHA-256 of {CORES} threads in memory", BUDGET)
    report("model_hash", rows, notes, given)


if __name__ == "__main__":
    main()
