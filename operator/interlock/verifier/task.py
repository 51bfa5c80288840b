"""What a job hears before it does anything; when that is heard, its walls are up."""

import json
import socket
from dataclasses import dataclass
from pathlib import Path

from interlock.api.config import Config
from interlock.evidence import wire
from interlock.verifier import frames, walls
from interlock.verifier.frames import MAX_MEMORY, MAX_POLICY, MAX_TASK, Letter


@dataclass(frozen=True, slots=True)
class Job:
    """What one job was told; its walls are up."""

    path: str
    body: bytes
    memory: bytes
    policy: bytes
    """JSON; empty where none concerns it."""
    room: walls.Room


def begin(channel: socket.socket) -> Job:
    """Hear what to do, and put the walls up."""
    told = json.loads(frames.receive(channel, Letter.TASK, MAX_TASK))
    body = frames.receive(channel, Letter.BODY, wire.MAX_REQUEST_BYTES)
    policy = frames.receive(channel, Letter.POLICY, MAX_POLICY)
    memory = frames.receive(channel, Letter.MEMORY, MAX_MEMORY)
    room = walls.Room(
        folder=Path(told["folder"]),
        kept=Path(told["kept"]),
        config=Config.model_validate(told["config"]),
        seconds=told["seconds"],
    )
    walls.shut(room)
    return Job(told["path"], body, memory, policy, room)
