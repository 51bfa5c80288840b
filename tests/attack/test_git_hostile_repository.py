"""A hostile repository, server or URL makes git run nothing, lie about nothing and hang nobody."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from interlock.evidence.git import GitRefused, GitUnavailable, Mirror
from support.gitrepos import MAIN, Repo, mirror


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo(tmp_path / "remote.git")


@pytest.fixture
def mine(tmp_path: Path) -> Mirror:
    return mirror(tmp_path / "mirror.git")


@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c 'touch OWNED'",
        "https://a.example/::x",
        "--upload-pack=touch OWNED",
        "-oProxyCommand=x",
        "ssh://-oProxyCommand=x/y",
        "git://a.example/x.git",
        "http://a.example/x.git",
        "file:///etc",
        "/etc",
        "https://user:secret@a.example/x.git",
        "https://a.example/x y",
        "https://a.example/x\ny",
    ],
)
async def test_a_url_that_is_not_plain_https_starts_no_git(url: str, tmp_path: Path) -> None:
    folder = tmp_path / "m.git"
    with pytest.raises(GitRefused):
        await Mirror(folder).fetch(url, {MAIN: MAIN})
    assert not folder.exists()


async def test_a_url_s_secret_is_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(GitRefused) as caught:
        await Mirror(tmp_path / "m").fetch("https://user:secret@a.example/x.git", {MAIN: MAIN})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("ref", ["main", "-x", "refs/heads/*", "refs/heads/../x", "refs/heads/a:b"])
async def test_a_ref_that_is_an_option_or_a_pattern(repo: Repo, mine: Mirror, ref: str) -> None:
    with pytest.raises(GitRefused, match="full ref name"):
        await mine.fetch(repo.url, {ref: MAIN})
    with pytest.raises(GitRefused, match="full ref name"):
        await mine.fetch(repo.url, {MAIN: ref})


async def test_replace_refs_swap_nothing(repo: Repo, mine: Mirror, tmp_path: Path) -> None:
    """refs/replace/<good> -> evil makes plain git show evil under good's name."""
    good = repo.commit({"f": b"good"})
    evil = repo.commit({"f": b"evil"}, ref="refs/heads/evil", parents=())
    await mine.fetch(repo.url, {MAIN: MAIN, "refs/heads/evil": "refs/heads/evil"})
    own = tmp_path / "mirror.git" / "refs" / "replace" / good
    own.parent.mkdir(parents=True)
    own.write_text(evil + "\n")
    assert await mine.read(good, "f") == b"good"
    assert [one.id for one in await mine.history(good, "f")] == [good]


async def test_a_remote_s_replace_refs_are_not_fetched(repo: Repo, mine: Mirror) -> None:
    good = repo.commit({"f": b"good"})
    evil = repo.commit({"f": b"evil"}, ref="refs/heads/evil", parents=())
    repo.git("update-ref", f"refs/replace/{good}", evil)
    await mine.fetch(repo.url, {MAIN: MAIN})
    assert await mine.tip(f"refs/replace/{good}") is None


async def test_a_malformed_object_is_refused_on_arrival(repo: Repo, mine: Mirror) -> None:
    """Two trees in one commit: which of them counts depends on the reader (CVE-2026-44309)."""
    first = repo.tree(("100644", "f", repo.blob(b"shown")))
    second = repo.tree(("100644", "f", repo.blob(b"hidden")))
    raw = f"tree {first}\ntree {second}\n{_HANDS}\nx\n".encode()
    commit = repo.git("hash-object", "-w", "-t", "commit", "--literally", "--stdin", stdin=raw)
    repo.git("update-ref", MAIN, commit)
    with pytest.raises(GitRefused, match="malformed"):
        await mine.fetch(repo.url, {MAIN: MAIN})
    assert await mine.tip(MAIN) is None


_HANDS = "author a <a@b.example> 1700000000 +0000\ncommitter a <a@b.example> 1700000000 +0000\n"


@pytest.mark.parametrize("mode", ["120000", "160000", "040000"])
async def test_a_link_is_not_read_as_a_file(repo: Repo, mine: Mirror, mode: str) -> None:
    inner = {
        "120000": repo.blob(b"/etc/passwd"),
        "160000": "ab" * 20,
        "040000": repo.tree(("100644", "f", repo.blob(b"x"))),
    }
    commit = repo.commit_tree(repo.tree((mode, "agent.yaml", inner[mode])))
    await mine.fetch(repo.url, {MAIN: MAIN})
    with pytest.raises(GitRefused, match=f"has mode {mode}"):
        await mine.read(commit, "agent.yaml")


async def test_a_file_that_is_too_large_is_not_read(repo: Repo, mine: Mirror) -> None:
    commit = repo.commit({"f": b"x" * 2000})
    await mine.fetch(repo.url, {MAIN: MAIN})
    with pytest.raises(GitRefused, match="2000 bytes, at most 1999"):
        await mine.read(commit, "f", limit=1999)


async def test_a_repository_that_is_too_large_is_cut_off(repo: Repo, tmp_path: Path) -> None:
    noise = b"".join(i.to_bytes(3, "big") * 7 + bytes([i % 251]) for i in range(200_000))
    repo.commit({"f": noise})
    small = mirror(tmp_path / "small.git", fetch_bytes=64 * 1024)
    with pytest.raises(GitRefused, match="sent more than 65536 bytes"):
        await small.fetch(repo.url, {MAIN: MAIN})
    assert await small.tip(MAIN) is None
    assert not [*(tmp_path / "small.git").rglob("tmp_*")]


async def test_a_server_that_hangs_costs_its_time_and_no_more(tmp_path: Path) -> None:
    """It accepts and never answers; git and its helpers are gone afterwards."""
    async with asyncio.timeout(30), _silent() as port:
        slow = mirror(tmp_path / "slow.git", seconds=0.5)
        with pytest.raises(GitUnavailable, match=r"ls-remote gave no result within 0.5 s"):
            await slow.fetch(f"https://127.0.0.1:{port}/x.git", {MAIN: MAIN})
        assert not _processes_with(f"127.0.0.1:{port}/x.git")


async def test_a_caller_that_gives_up_leaves_no_git_behind(tmp_path: Path) -> None:
    async with asyncio.timeout(30), _silent() as port:
        slow = mirror(tmp_path / "slow.git")
        job = asyncio.create_task(slow.fetch(f"https://127.0.0.1:{port}/x.git", {MAIN: MAIN}))
        while not _processes_with("remote-https", f"127.0.0.1:{port}/x.git"):
            await asyncio.sleep(0.01)
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job
        assert not _processes_with(f"127.0.0.1:{port}/x.git")


@asynccontextmanager
async def _silent() -> AsyncIterator[int]:
    """A server that accepts connections and says nothing."""
    forever = asyncio.Event()

    async def hold(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await forever.wait()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        forever.set()
        server.close()


def _processes_with(*words: str) -> list[str]:
    """The living processes whose command line holds all words."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if all(word in line for word in words):
            found.append(line)
    return found


async def test_hooks_and_settings_of_the_machine_run_nothing(
    repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever can set a variable or a dot file of ours does not choose what git runs."""
    owned = tmp_path / "OWNED"
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\ntouch {owned}\n")
    script.chmod(0o755)
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(f"[core]\n\tfsmonitor = {script}\n\thooksPath = {tmp_path}\n")
    (tmp_path / "reference-transaction").symlink_to(script)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_SSH_COMMAND", str(script))
    monkeypatch.setenv("GIT_TRACE", str(owned))
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", f"'core.hooksPath'='{tmp_path}'")
    repo.commit({"f": b"x"})
    mine = mirror(tmp_path / "mirror.git")
    await mine.fetch(repo.url, {MAIN: MAIN})
    assert await mine.tip(MAIN)
    assert not owned.exists()
