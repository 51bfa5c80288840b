"""The controller as a process of its own, with lease times that a test can wait for."""

import argparse
import asyncio
import json
import logging
import sys
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import aiohttp

from interlock.actions import revisions
from interlock.api.config import Config
from interlock.cluster.cache import Key
from interlock.cluster.lease import LeaseTimes
from interlock.handlers.controller import Options, run
from interlock.handlers.engine import Engine

TRACED = {"socket.connect": 1, "socket.getaddrinfo": 0, "open": 0, "subprocess.Popen": 0}
"""Events of the interpreter's audit (PEP 578), and which of their arguments says what was meant."""


def options(config: Path, kubeconfig: Path, times: LeaseTimes, port: int = 0) -> Options:
    """How one controller of a test runs."""
    parsed = Config.model_validate(json.loads(config.read_text()))
    return Options(parsed, kubeconfig, ("127.0.0.1", port), times)


def log_plainly() -> None:
    """Log what a failing test wants to show."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("kopf").setLevel(logging.WARNING)


def render_as(version: str) -> None:
    """Let this process render as another version does: other bytes for the same content."""
    original = revisions.revision_objects

    def rendered(*about: Any, **more: Any) -> list[dict[str, Any]]:
        objects = original(*about, **more)
        for obj in objects:
            if obj["kind"] == "Deployment":
                marks = {"renderer.example/version": version}
                obj["spec"]["progressDeadlineSeconds"] -= 1
                obj["spec"]["template"]["metadata"]["annotations"] = marks
        return objects

    revisions.revision_objects = rendered
    revisions.RENDERER = version


def trace_traffic(file: Path) -> None:
    """Write a line for each connection, request, file and process of the traffic lane.

    A context variable marks whatever the lane starts, also through tasks and connection pools.
    """
    output = file.open("a", buffering=1)
    lane = ContextVar("lane", default="")
    move, request = Engine._move, aiohttp.ClientSession._request

    async def marked(self: Engine, key: Key) -> None:
        token = lane.set(f"{key.namespace}/{key.name}")
        try:
            await move(self, key)
        finally:
            lane.reset(token)

    async def told(self: aiohttp.ClientSession, method: str, url: Any, **rest: Any) -> Any:
        if agent := lane.get():
            print(agent, "request", method, url, file=output)
        return await request(self, method, url, **rest)

    def heard(event: str, about: tuple[Any, ...]) -> None:
        if event in TRACED and (agent := lane.get()):
            print(agent, event, *about[TRACED[event] :][:1], file=output)

    Engine._move = marked  # type: ignore[method-assign]
    aiohttp.ClientSession._request = told  # type: ignore[method-assign]
    sys.addaudithook(heard)


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--lease", type=float, nargs=3, default=(5.0, 1.5, 4.0))
    parser.add_argument("--port", type=int, default=0, help="where its health is served")
    parser.add_argument("--renderer", help="render as another version of Interlock would")
    parser.add_argument("--trace", type=Path, help="write what the traffic lane touches")
    given = parser.parse_args()
    log_plainly()
    if given.renderer:
        render_as(given.renderer)
    if given.trace:
        trace_traffic(given.trace)
    times = LeaseTimes(*given.lease)
    asyncio.run(run(options(given.config, given.kubeconfig, times, given.port)))


if __name__ == "__main__":
    _main()
