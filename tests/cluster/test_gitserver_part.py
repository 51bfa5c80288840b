"""The sandbox's git server, asked by an ordinary git client and by hand."""

import base64
import gzip
import http.client
import os
import socket
import ssl
import stat
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from interlock_sandbox import git_http
from interlock_sandbox.gitserver import ACCOUNTS, GitServer, create_repository
from support.parts import running

Outputs = Mapping[str, str]
APPROVAL = f"refs/approvals/{'ab' * 32}"


@pytest.fixture(scope="module")
def git(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outputs]:
    with running(GitServer(), tmp_path_factory.mktemp("sandbox")) as outputs:
        create_repository(outputs, "closed")
        yield outputs


def run(
    git: Outputs, user: str, *arguments: str, cwd: Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """An ordinary git client with the credentials of `user` and nobody's settings."""
    settings = {
        "http.sslCAInfo": git["git_ca_file"],
        "credential.helper": f"store --file={git[f'git_{user}_credentials_file']}",
        "user.name": user,
        "user.email": f"{user}@team.example",
    }
    options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
    clean = {
        "PATH": os.environ["PATH"],
        "HOME": str(cwd),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
    }
    return subprocess.run(
        ["git", *options, *arguments],
        cwd=cwd,
        env=clean | dict(env or {}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def must(git: Outputs, user: str, *arguments: str, cwd: Path) -> str:
    done = run(git, user, *arguments, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def commit(git: Outputs, folder: Path, files: Mapping[str, bytes]) -> str:
    must(git, "team", "init", "-q", "-b", "main", cwd=folder)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    must(git, "team", "add", ".", cwd=folder)
    must(git, "team", "commit", "-qm", "first", cwd=folder)
    return must(git, "team", "rev-parse", "HEAD", cwd=folder)


def ask(
    git: Outputs,
    target: str,
    login: str | None = None,
    *,
    method: str = "GET",
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
) -> tuple[int, bytes]:
    """One request by hand, the target as it stands."""
    url = urlsplit(git["git_url"])
    context = ssl.create_default_context(cafile=git["git_ca_file"])
    connection = http.client.HTTPSConnection(str(url.hostname), url.port, context=context)
    encoded = base64.b64encode((login or "").encode()).decode()
    who = {"Authorization": f"Basic {encoded}"} if login else {}
    connection.request(method, target, body=body, headers=who | dict(headers or {}))
    answer = connection.getresponse()
    status, content = answer.status, answer.read()
    connection.close()
    return status, content


@contextmanager
def talk(git: Outputs, *head: str) -> Iterator[ssl.SSLSocket]:
    """A connection on which `team` has said this much."""
    url = urlsplit(git["git_url"])
    context = ssl.create_default_context(cafile=git["git_ca_file"])
    encoded = base64.b64encode(login(git, "team").encode()).decode()
    lines = [*head, "Host: 127.0.0.1", f"Authorization: Basic {encoded}", "", ""]
    with (
        socket.create_connection((url.hostname, url.port)) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        connection.sendall("\r\n".join(lines).encode())
        yield connection


def login(git: Outputs, user: str) -> str:
    return f"{user}:{Path(git[f'git_{user}_token_file']).read_text()}"


def test_a_branch_and_an_approval_are_pushed_and_fetched(git: Outputs, tmp_path: Path) -> None:
    url = create_repository(git, "line-4/agents")
    work, copy = tmp_path / "work", tmp_path / "copy"
    work.mkdir()
    # Larger than git's post buffer, so that it comes in chunks.
    head = commit(git, work, {"agent.yaml": b"kind: x\n", "big": os.urandom(3_000_000)})

    pushed = run(git, "team", "push", url, "main", cwd=work, env={"GIT_TRACE_CURL": "1"})
    assert pushed.returncode == 0
    assert "transfer-encoding: chunked" in pushed.stderr.lower()
    must(git, "approver", "push", "-q", url, f"HEAD:{APPROVAL}", cwd=work)

    must(git, "syncer", "clone", "-q", url, str(copy), cwd=tmp_path)
    must(git, "interlock", "fetch", "-q", url, f"{APPROVAL}:{APPROVAL}", cwd=copy)
    assert must(git, "interlock", "rev-parse", "HEAD", cwd=copy) == head
    assert must(git, "interlock", "rev-parse", APPROVAL, cwd=copy) == head
    assert (copy / "big").read_bytes() == (work / "big").read_bytes()


def test_a_gzip_request_is_understood(git: Outputs, tmp_path: Path) -> None:
    """As git sends a long fetch; here protocol 2's question for refs, which must pass through."""
    url = create_repository(git, "packed")
    head = commit(git, tmp_path, {"a": b"a"})
    must(git, "team", "push", "-q", url, "main", cwd=tmp_path)
    headers = {
        "Content-Type": "application/x-git-upload-pack-request",
        "Content-Encoding": "gzip",
        "Git-Protocol": "version=2",
    }
    question = gzip.compress(b"0014command=ls-refs\n00000000")
    target = "/packed.git/git-upload-pack"
    syncer = login(git, "syncer")
    status, refs = ask(git, target, syncer, method="POST", body=question, headers=headers)
    answer = f"0032{head} HEAD\n003d{head} refs/heads/main\n0000"
    assert (status, refs) == (200, answer.encode())


@pytest.mark.parametrize("user", [user for user, push in ACCOUNTS.items() if not push])
def test_a_reader_cannot_push(git: Outputs, tmp_path: Path, user: str) -> None:
    url = create_repository(git, f"read-only-{user}")
    commit(git, tmp_path, {"a": b"a"})
    done = run(git, user, "push", url, "main", cwd=tmp_path)
    assert done.returncode != 0
    assert "403" in done.stderr
    assert run(git, user, "ls-remote", url, cwd=tmp_path).stdout == ""


def test_a_reader_cannot_push_past_the_advertisement(git: Outputs) -> None:
    create_repository(git, "direct")
    target = "/direct.git/git-receive-pack"
    status, content = ask(git, target, login(git, "interlock"), method="POST", body=b"0000")
    assert (status, content) == (403, b"interlock may fetch but not push.\n")


@pytest.mark.parametrize("who", [None, "team:wrong", "nobody:x", "team", ":"], ids=str)
def test_who_is_unknown_gets_401(git: Outputs, who: str | None) -> None:
    assert ask(git, "/closed.git/info/refs?service=git-upload-pack", who)[0] == 401
    assert ask(git, "/no-such.git/info/refs?service=git-upload-pack", who)[0] == 401


@pytest.mark.parametrize(
    "target",
    [
        "/../server.json",
        "/closed.git/../../server.json",
        "/%2e%2e/server.json",
        "/closed.git/config",
        "/closed.git/objects/info/packs",
        "//etc/passwd",
        "/-c.git/info/refs?service=git-upload-pack",
        "/../repos/closed.git/info/refs?service=git-upload-pack",
        "/closed.git/%2e%2e/closed.git/info/refs?service=git-upload-pack",
        "/no-such.git/info/refs?service=git-upload-pack",
        "/closed.git/info/refs",
        "/closed.git/info/refs?service=git-upload-archive",
        "/closed.git/git-upload-pack",
    ],
)
def test_paths_lead_nowhere_else(git: Outputs, target: str) -> None:
    status, content = ask(git, target, login(git, "team"))
    assert status in {403, 404}
    assert b"password" not in content


@pytest.mark.parametrize("name", ["..", "a/../b", "/abs", "-x", "a/b/c", "a b", ""])
def test_a_repository_has_a_plain_name(git: Outputs, name: str) -> None:
    with pytest.raises(ValueError, match="no repository name"):
        create_repository(git, name)


def test_a_body_over_the_limit_is_refused_before_it_is_read(git: Outputs) -> None:
    create_repository(git, "small")
    length = f"Content-Length: {git_http.MAX_BODY + 1}"
    with talk(git, "POST /small.git/git-receive-pack HTTP/1.1", length) as connection:
        assert b" 413 " in connection.recv(4096)


def test_a_repository_named_hang_never_answers(git: Outputs) -> None:
    create_repository(git, "hang-agents")
    question = "GET /hang-agents.git/info/refs?service=git-upload-pack HTTP/1.1"
    with talk(git, question) as connection:
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        assert ask(git, "/healthz") == (200, b"ok\n")  # others are served meanwhile


def test_secrets_are_the_owners_alone(git: Outputs) -> None:
    kinds = ("token_file", "credentials_file")
    files = [value for key, value in git.items() if key.endswith(kinds)]
    config = Path(git["git_ca_file"]).with_name("server.json")
    assert len(files) == 2 * len(ACCOUNTS)
    assert {stat.S_IMODE(Path(file).stat().st_mode) for file in [*files, str(config)]} == {0o600}
