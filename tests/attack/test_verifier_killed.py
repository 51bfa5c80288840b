"""The process that parses strangers' bytes dies or hangs: one agent waits, no more."""

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from interlock.api.facts import Findings, Unresolved
from interlock.evidence.verifierclient import VerifierClient
from interlock.verifier.__main__ import main
from support import facts, plant, policies


@asynccontextmanager
async def verifier(folder: Path, registry: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """A real verifier process; all registries lie at one port on loopback."""
    address = f"127.0.0.1:{registry}"
    config = {
        "registries": {"default": {"mlflow": f"http://{address}"}},
        "oci": [{"prefix": f"{address}/", "plainHTTP": True}],
        "verifier": {"socket": str(folder / "verifier.sock")},
        "stateDir": str(folder / "state"),
    }
    file = folder / "config.yaml"
    file.write_text(json.dumps(config))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "interlock.verifier", "--config", str(file)),
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stderr is not None
        while b"serves on" not in (line := await process.stderr.readline()):
            assert line, "the verifier ended before it served"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def ask(client: VerifierClient, registry: int) -> Findings | Unresolved:
    spec = facts.spec(image=f"127.0.0.1:{registry}/agents/press@sha256:{'a' * 64}", model=None)
    return await client.findings(
        namespace=policies.NAMESPACE,
        name=facts.NAME,
        spec=spec,
        targets=plant.targets(),
        since="",
    )


async def test_a_killed_verifier_is_unavailable_and_the_next_one_answers(tmp_path: Path) -> None:
    client = VerifierClient(tmp_path / "verifier.sock")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        silent.setblocking(False)
        port = silent.getsockname()[1]
        async with verifier(tmp_path, port) as process:
            asked = asyncio.create_task(ask(client, port))
            work, _ = await asyncio.get_running_loop().sock_accept(silent)
            with work:  # it waits for an answer now
                work.setblocking(False)
                process.kill()
                answer = await asked
                while await asyncio.get_running_loop().sock_recv(work, 4096):
                    pass  # the rest of the request, and then the end: its job died with it
    assert isinstance(answer, Unresolved)
    assert answer.reason == "VerifierUnavailable"
    async with verifier(tmp_path, port):
        answer = await ask(client, port)
    await client.close()
    assert isinstance(answer, Unresolved)
    assert answer.reason == "SourceUnavailable"
    assert f"127.0.0.1:{port}" in answer.message


async def test_a_verifier_ends_at_once_and_cleanly_on_sigterm(tmp_path: Path) -> None:
    async with verifier(tmp_path, 1) as process:
        process.terminate()
        assert await process.wait() == 0


@pytest.mark.parametrize("text", ["verifier: {}", "{}", "a: b", "[", "verifier: {socket: 1}"])
async def test_a_bad_configuration_is_a_sentence_and_exit_code_2(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    assert main(["--config", str(file)]) == 2
    said = capsys.readouterr().err
    assert str(file) in said
    assert "Traceback" not in said
