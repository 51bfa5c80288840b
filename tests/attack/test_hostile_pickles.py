"""A pickle, by every route to an import and in everything that loaders open.

Loading one runs what it says, so none may pass the default policy under whatever name, and where
policy lists imports none may bring another one; and none is loaded by being looked at
(CVE-2024-37052 to 37060, CVE-2025-32434, CVE-2025-1716, -1889, -1944, -1945, CVE-2025-10155 to
10157).
"""

import collections
import gzip
import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from interlock.api.values import Outcome
from support.hostile import (
    PACKAGES,
    content,
    findings,
    judged,
    refused,
    safetensors,
    tensor,
    zipped,
)
from support.pickles import BENIGN, FAR_PICKLES, PICKLES, STACK_GLOBAL, nothing_runs, set_trap

__all__ = ["nothing_runs"]  # a fixture that every test here uses
TENSOR = safetensors({"a": tensor(0, 8)}, bytes(8))
ALLOWED = ["collections.OrderedDict", "numpy.*", "torch._utils._rebuild_tensor_v2"]
EVERY = ["zip", "tar", "npy", "gzip", "bzip2", "xz", "lzma", "zlib", "text", "unknown"]
ORDERED = pickle.dumps(collections.OrderedDict(a=1))
LOADER = """
import copyreg, io, json, os, pickle, sys
sys.path.insert(0, sys.argv[1])
copyreg.add_extension("trap", "system", 7)

def load_all(unpickler, file):
    try:
        while True:
            made = unpickler(file)
            made.persistent_load = str
            made.load()
    except Exception:
        pass

sprung = set()
for name, data in json.load(sys.stdin).items():
    for unpickler in (type("C", (pickle.Unpickler,), {}), pickle._Unpickler):
        sys.modules.pop("trap", None)
        copyreg._extension_cache.clear()
        load_all(unpickler, io.BytesIO(bytes.fromhex(data)))
        if os.path.exists(sys.argv[2]):
            sprung.add(name)
            os.remove(sys.argv[2])
json.dump(sorted(sprung), sys.stdout)
"""
STILL = {
    *("plain data", "bytes behind the end", "cut off in an argument", "pickle in bytes"),
    *("packed pickle in bytes", "attribute of a harmless module"),
    "memo filled with what is no name",
}
"""What imports no trap by itself: loaders have to do more, or other modules have to be there."""


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("route", PICKLES)
def test_a_pickle_in_whatever_package_under_whatever_name(route: str, package: str) -> None:
    name, pack = PACKAGES[package]
    found = content(("good.safetensors", TENSOR), (name, pack(PICKLES[route])))
    refused(found)
    if route != "plain data":
        refused(found, pickleImports=ALLOWED, formats=[*EVERY, "safetensors"])


@pytest.mark.parametrize("route", FAR_PICKLES)
def test_a_pickle_that_is_not_followed_to_its_end(route: str) -> None:
    refused(content(("readme.txt", FAR_PICKLES[route])), pickleImports=["*"], formats=EVERY)


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("piece", [1, 7, 4096])
def test_a_pickle_in_small_pieces(piece: int, package: str) -> None:
    name, pack = PACKAGES[package]
    data = pack(STACK_GLOBAL)
    assert findings(name, data, piece) == findings(name, data)


def test_the_message_names_the_file_and_the_import() -> None:
    result = refused(content(("model.pt", zipped(("a/data.pkl", STACK_GLOBAL)))))
    assert result.message == "model.pt!/a/data.pkl is a pickle, and loading it imports trap.system"


def test_the_routes_do_lead_to_an_import(tmp_path: Path) -> None:
    """Loads them all in a child process, so that what is refused here is known to act."""
    (tmp_path / "child").mkdir()
    trace = set_trap(tmp_path / "child")
    every = {name: data.hex() for name, data in (PICKLES | FAR_PICKLES).items()}
    command = [sys.executable, "-I", "-c", LOADER, str(tmp_path / "child"), str(trace)]
    said = subprocess.run(
        command, input=json.dumps(every), capture_output=True, text=True, check=True, timeout=60
    )
    still = set(every) - set(json.loads(said.stdout))
    assert still == STILL


@pytest.mark.parametrize(
    ("name", "data", "formats"),
    [
        ("model.pkl", ORDERED, []),
        ("model.bin", ORDERED, []),
        ("model.pt", zipped(("a/data.pkl", ORDERED), ("a/version", b"3\n")), ["zip", "text"]),
        ("model.pkl.gz", gzip.compress(ORDERED), ["gzip"]),
    ],
)
def test_a_tier_may_allow_pickles_by_their_imports(
    name: str, data: bytes, formats: list[str]
) -> None:
    found = content((name, data))
    asked = {"pickleImports": ALLOWED, "formats": formats}
    assert judged(found, **asked).outcome is Outcome.PASS
    refused(found)
    refused(found, formats=formats)
    refused(found, formats=formats, pickleImports=["collections.defaultdict"])


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(ORDERED + ORDERED, id="two"),
        pytest.param(ORDERED + b"\0", id="bytes behind"),
        pytest.param(ORDERED[:-1], id="cut off"),
        pytest.param(pickle.dumps([ORDERED]), id="in the bytes of another"),
        pytest.param(gzip.compress(ORDERED), id="packed"),
        pytest.param(zipped(("data.pkl", ORDERED)), id="in an archive"),
        pytest.param(pickle.dumps([gzip.compress(ORDERED)]), id="packed, in bytes"),
        pytest.param(BENIGN + ORDERED, id="behind data"),
    ],
)
def test_allowed_imports_allow_no_pickle_but_a_plain_one(data: bytes) -> None:
    refused(content(("model.pkl", data)), pickleImports=ALLOWED)
