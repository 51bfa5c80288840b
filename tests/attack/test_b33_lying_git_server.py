"""A git server that speaks HTTPS and means harm: it hangs, leads elsewhere, or never ends."""

import asyncio
import random
import ssl
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from interlock.api.config import Git
from interlock.evidence.git import GitRefused, GitUnavailable, Limits, Mirror
from interlock_sandbox.pki import Authority
from support.gitrepos import MAIN, Repo

ADVERTISED = "application/x-git-upload-pack-advertisement"
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def server(folder: Path, answer: Answer) -> AsyncIterator[tuple[str, Mirror]]:
    """A server with a certificate that the mirror trusts; its URL, and the mirror."""
    pair = Authority(folder).server("server", ["127.0.0.1"])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.cert, pair.key)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    port = runner.addresses[0][1]
    access = Git(prefix="https://", ca_file=folder / "ca.crt")
    limits = Limits(fetch_seconds=3.0, fetch_bytes=1 << 20)
    try:
        async with asyncio.timeout(60):
            yield f"https://127.0.0.1:{port}/x.git", Mirror(folder / "m.git", access, limits=limits)
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("packed", [False, True])
async def test_the_dumb_protocol_brings_nothing(tmp_path: Path, packed: bool) -> None:
    """Files of a repository served as they are: git would fetch them and check no object."""
    repo = Repo(tmp_path / "remote.git")
    first, second = (repo.tree(("100644", "f", repo.blob(data))) for data in (b"shown", b"hidden"))
    hands = "author a <a@b.example> 1700000000 +0000\ncommitter a <a@b.example> 1700000000 +0000\n"
    raw = f"tree {first}\ntree {second}\n{hands}\nx\n".encode()
    commit = repo.git("hash-object", "-w", "-t", "commit", "--literally", "--stdin", stdin=raw)
    repo.git("update-ref", MAIN, commit)
    if packed:
        repo.git("repack", "-a", "-d", "-q")
    repo.git("update-server-info")

    async def answer(request: web.Request) -> web.StreamResponse:
        path = repo.path / request.match_info["path"].removeprefix("x.git/")
        return web.FileResponse(path) if path.is_file() else web.Response(status=404)

    async with server(tmp_path, answer) as (url, mirror):
        with pytest.raises(GitRefused, match="malformed" if packed else "dumb protocol"):
            await mirror.fetch(url, {MAIN: MAIN})
        assert await mirror.tip(MAIN) is None
    assert not [*(tmp_path / "m.git" / "objects").rglob("*.pack")]
    assert not [*(tmp_path / "m.git" / "objects").glob("??/*")]


async def test_a_page_for_people_is_no_repository(tmp_path: Path) -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(text="<html>sign in</html>", content_type="text/html")

    async with server(tmp_path, answer) as (url, mirror):
        assert (await mirror.fetch(url, {MAIN: MAIN})).tips == {MAIN: None}


async def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    """It could lead inside, with our credentials."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        return web.Response(status=302, headers={"Location": "/elsewhere.git/info/refs"})

    async with server(tmp_path, answer) as (url, mirror):
        with pytest.raises(GitUnavailable):
            await mirror.fetch(url, {MAIN: MAIN})
    assert {*asked} == {"/x.git/info/refs"}


@pytest.mark.parametrize(
    ("code", "body", "kind"),
    [
        (500, b"", "text/plain"),
        (200, b"zzzz", ADVERTISED),
        (200, b"001e# service=git-upload-pack\n0000", ADVERTISED),
        (401, b"", "text/plain"),
    ],
)
async def test_what_is_no_repository_brings_nothing(
    tmp_path: Path, code: int, body: bytes, kind: str
) -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=code, body=body, content_type=kind)

    async with server(tmp_path, answer) as (url, mirror):
        with pytest.raises(GitUnavailable, match=url):
            await mirror.fetch(url, {MAIN: MAIN})


async def test_refs_without_end_cost_their_time_and_no_more(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": ADVERTISED})
        await response.prepare(request)
        await response.write(b"001e# service=git-upload-pack\n0000")
        number = 0
        while True:
            line = b"%b refs/heads/%d\n" % (b"ab" * 20, number)
            number += 1
            await response.write(b"%04x%b" % (len(line) + 4, line))
            await asyncio.sleep(0)

    async with server(tmp_path, answer) as (url, mirror):
        with pytest.raises((GitUnavailable, GitRefused)):
            await mirror.fetch(url, {MAIN: MAIN})


async def test_a_server_that_drips_costs_its_time_and_no_more(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": ADVERTISED})
        await response.prepare(request)
        while True:
            await response.write(b"0")
            await asyncio.sleep(0.05)

    async with server(tmp_path, answer) as (url, mirror):
        with pytest.raises(GitUnavailable, match="gave no result within 3 s"):
            await mirror.fetch(url, {MAIN: MAIN})


PACKED = "application/x-git-upload-pack-result"
TIP = b"ab" * 20


def line(data: bytes) -> bytes:
    """A packet as git's protocol frames it."""
    return b"%04x%b" % (len(data) + 4, data)


async def test_a_pack_without_end_fills_neither_disk_nor_memory(tmp_path: Path) -> None:
    """One gigabyte and more is offered; what is taken stays within the cap, and goes again."""
    sent, most = 0, 0
    head = b"PACK" + (2).to_bytes(4, "big") + (1).to_bytes(4, "big")
    blob = 3 << 4 | 0x80 | 15, 0xFF, 0xFF, 0xFF, 0x7F  # a blob of 4 GiB, by its own word

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal sent, most
        if request.method == "GET":
            refs = line(TIP + b" " + MAIN.encode() + b"\0side-band-64k ofs-delta\n") + b"0000"
            body = line(b"# service=git-upload-pack\n") + b"0000" + refs
            return web.Response(body=body, content_type=ADVERTISED)
        response = web.StreamResponse(headers={"Content-Type": PACKED})
        await response.prepare(request)
        await response.write(line(b"NAK\n") + line(b"\1" + head + bytes(blob)))
        squeezer = zlib.compressobj(level=0)
        noise = random.Random(33).randbytes(60_000)  # noqa: S311
        while sent < 1 << 30 and request.transport and not request.transport.is_closing():
            part = squeezer.compress(noise)
            for start in range(0, len(part), 65_000):
                await response.write(line(b"\1" + part[start : start + 65_000]))
            sent += len(part)
            held = [file.stat().st_size for file in there() if file.exists()]
            most = max(most, sum(held))
            await asyncio.sleep(0)
        return response

    def there() -> list[Path]:
        return [file for file in (tmp_path / "m.git").rglob("*") if file.is_file()]

    async with server(tmp_path, answer) as (url, mirror):
        with pytest.raises(GitRefused, match="sent more than 1048576 bytes"):
            await mirror.fetch(url, {MAIN: MAIN})
        assert await mirror.tip(MAIN) is None
    assert sent < 1 << 26
    assert 0 < most < 2 << 20
    assert sum(file.stat().st_size for file in there()) < 1 << 16


async def test_packs_without_number_do_not_fill_the_disk(tmp_path: Path) -> None:
    """The dumb protocol lets a server name any number of packs, each below the cap."""
    repo = Repo(tmp_path / "remote.git")
    for n in range(12):
        repo.commit({"f": random.Random(n).randbytes(900_000)})  # noqa: S311
        repo.git("repack", "-d", "-q")  # one pack each
    repo.git("update-server-info")
    most = 0

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal most
        incoming = (tmp_path / "m.git" / "incoming").rglob("*")
        most = max(most, sum(file.stat().st_size for file in incoming if file.is_file()))
        path = repo.path / request.match_info["path"].removeprefix("x.git/")
        return web.FileResponse(path) if path.is_file() else web.Response(status=404)

    async with server(tmp_path, answer) as (url, mirror):
        with pytest.raises(GitRefused):
            await mirror.fetch(url, {MAIN: MAIN})
    assert most < 4 << 20
    assert not (tmp_path / "m.git" / "incoming").exists()
