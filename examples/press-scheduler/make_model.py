"""Writes the example's model: a small linear scorer of press jobs, in the safetensors format.

Nothing of it is random: the same variant has the same bytes, and so the same digest, on every
machine. Another variant is another model: what a retraining would bring.

    python make_model.py FOLDER [VARIANT]
"""

import json
import struct
import sys
from collections.abc import Sequence
from pathlib import Path

FEATURES = ("due_in_hours", "quantity", "setup_minutes", "press_temperature")
PRESSES = ("press-1", "press-2", "press-3")


def tensors(variant: int) -> dict[str, tuple[tuple[int, ...], list[float]]]:
    """Return each tensor's shape and values. Halves and quarters, so that float32 is exact."""
    weights = [
        (feature - press) * 0.5 + variant * 0.25
        for press in range(len(PRESSES))
        for feature in range(len(FEATURES))
    ]
    bias = [press * 0.25 for press in range(len(PRESSES))]
    return {
        "scorer.bias": ((len(PRESSES),), bias),
        "scorer.weight": ((len(PRESSES), len(FEATURES)), weights),
    }


def safetensors(variant: int) -> bytes:
    """Return the file: length of the header, header as JSON, then the values one after another."""
    header: dict[str, object] = {"__metadata__": {"variant": str(variant)}}
    data = b""
    for name, (shape, values) in sorted(tensors(variant).items()):
        packed = struct.pack(f"<{len(values)}f", *values)
        offsets = [len(data), len(data) + len(packed)]
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": offsets}
        data += packed
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the values begin at a multiple of eight
    return struct.pack("<Q", len(text)) + text + data


def config() -> bytes:
    """Return what the agent needs to know to use the tensors."""
    about = {"architecture": "linear", "features": list(FEATURES), "presses": list(PRESSES)}
    return json.dumps(about, indent=2).encode() + b"\n"


def main(arguments: Sequence[str]) -> None:
    """Write the model into a folder."""
    folder = Path(arguments[0])
    variant = int(arguments[1]) if len(arguments) > 1 else 1
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "weights.safetensors").write_bytes(safetensors(variant))
    (folder / "config.json").write_bytes(config())


if __name__ == "__main__":
    main(sys.argv[1:])
