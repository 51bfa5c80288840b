"""Asks the example's model where orders go that it has not seen, and says how it did.

It is the whole suite of tests: governance names it by its SHA-256, and the orders by theirs. It
reads tensors by their bytes and loads nothing that could run.

    python evaluate.py MODEL ORDERS > results.json
"""

import csv
import json
import math
import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Model = tuple[list[str], list[str], list[list[float]], list[float]]
"""Features, presses, and for each press its weights and its bias."""


def read(folder: Path) -> Model:
    """Return the model in a folder."""
    about = json.loads((folder / "config.json").read_text())
    data = (folder / "weights.safetensors").read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header, values = json.loads(data[8 : 8 + size]), data[8 + size :]
    tensors = {
        name: struct.unpack(f"<{(end - first) // 4}f", values[first:end])
        for name, entry in header.items()
        if name != "__metadata__"
        for first, end in (entry["data_offsets"],)
    }
    flat, width = tensors["scorer.weight"], len(about["features"])
    rows = [list(flat[place : place + width]) for place in range(0, len(flat), width)]
    return about["features"], about["presses"], rows, list(tensors["scorer.bias"])


def scores(model: Model, order: dict[str, str]) -> dict[str, float]:
    """Return each press's score for an order."""
    features, presses, weights, bias = model
    values = [float(order[name]) for name in features]
    return {
        press: sum(weight * value for weight, value in zip(row, values, strict=True)) + offset
        for press, row, offset in zip(presses, weights, bias, strict=True)
    }


def results(model: Model, orders: Sequence[dict[str, str]]) -> dict[str, Any]:
    """Return what `interlock-pipeline evaluate` takes: tests by how they ended, and metrics."""
    found = [scores(model, order) for order in orders]
    right = sum(
        max(each, key=lambda press: each[press]) == order["press"]
        for each, order in zip(found, orders, strict=True)
    )
    held = {
        "scores-are-finite": all(math.isfinite(score) for one in found for score in one.values()),
        "orders-have-one-best-press": all(
            sorted(one.values())[-1] > sorted(one.values())[-2] for one in found
        ),
    }
    return {
        "passed": [name for name, well in held.items() if well],
        "failed": [name for name, well in held.items() if not well],
        "metrics": {"agreement": right / len(orders)},
    }


def main(arguments: Sequence[str]) -> None:
    """Print the results of a model on a file of orders."""
    with Path(arguments[1]).open(newline="") as file:
        orders = list(csv.DictReader(file))
    print(json.dumps(results(read(Path(arguments[0])), orders), indent=2))


if __name__ == "__main__":
    main(sys.argv[1:])
