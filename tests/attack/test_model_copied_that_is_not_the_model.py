"""What an init container would copy is not what was approved: it fails, and no agent starts.

The copier is given its tree in its arguments, which the API server compares with what was admitted.
The manifest (a ConfigMap) and the image's files may be anybody's.
"""

import hashlib
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from interlock.api.digests import ModelFile, model_tree
from interlock.render.delivery import manifest
from interlock_sandbox import golang
from support import copier

FILES = {"MLmodel": b"flavors: {}\n", "data/a b.bin": bytes(range(256)) * 8, "data/empty": b""}
LARGE = 192 * 1024 * 1024
MEMORY = 96 * 1024 * 1024
"""Bytes that the copier may have; Go sets 64 MiB of them aside at its start."""


def files_of(files: Mapping[str, bytes]) -> tuple[ModelFile, ...]:
    return tuple(
        ModelFile(path, len(data), hashlib.sha256(data).hexdigest()) for path, data in files.items()
    )


@dataclass
class Pod:
    """What the copier finds in its container: an image, a manifest, and a folder to fill."""

    image: Path
    listed: Path
    folder: Path
    tree: str

    @property
    def command(self) -> list[str]:
        arguments = [f"-tree={self.tree}", f"-manifest={self.listed}"]
        arguments += [f"-from={self.image}", f"-to={self.folder}"]
        return [str(copier.program()), "copy", *arguments]

    def copy(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command, capture_output=True, text=True, check=False, timeout=30)

    def refused(self, why: str) -> None:
        done = self.copy()
        assert done.returncode == 1, done.stdout
        (said,) = done.stderr.splitlines()
        assert said.startswith("copier: ")
        assert why in said

    def seen(self) -> dict[str, bytes]:
        """What an agent would read."""
        found = (path for path in self.folder.rglob("*") if not path.is_dir())
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in found}


def put(folder: Path, files: Mapping[str, bytes]) -> None:
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    for folder in ("image", "folder"):
        (tmp_path / folder).mkdir()
    put(tmp_path / "image", FILES)
    files = files_of(FILES)
    (tmp_path / "files").write_text(manifest(files))
    tree = f"sha256:{model_tree(files)}"
    return Pod(tmp_path / "image", tmp_path / "files", tmp_path / "folder", tree)


def test_the_honest_image_is_copied_and_nobody_may_write_it(pod: Pod) -> None:
    done = pod.copy()
    assert done.returncode == 0, done.stderr
    size = sum(map(len, FILES.values()))
    assert done.stdout == f"copied 3 files, {size} bytes, tree {pod.tree}\n"
    assert pod.seen() == FILES
    modes = {path.stat().st_mode & 0o7777 for path in pod.folder.rglob("*") if path.is_file()}
    assert modes == {0o444}


def test_what_the_image_has_beside_its_model_reaches_no_agent(pod: Pod) -> None:
    put(pod.image, {"z.py": b"import os", "data/z.pkl": b"\x80\x04."})
    (pod.image / "link").symlink_to("/etc/passwd")
    assert pod.copy().returncode == 0
    assert pod.seen() == FILES


def test_what_an_earlier_attempt_left_reaches_no_agent(pod: Pod) -> None:
    put(pod.folder, {"z.py": b"import os", "MLmodel": b"other", "data": b"a file"})
    (pod.folder / "link").symlink_to(pod.image)
    assert pod.copy().returncode == 0
    assert pod.seen() == FILES
    assert (pod.image / "MLmodel").read_bytes() == FILES["MLmodel"]
    assert pod.copy().returncode == 0, "and again"


def one_less(image: Path) -> None:
    (image / "data" / "empty").unlink()


def other_bytes(image: Path) -> None:
    (image / "MLmodel").write_bytes(b"flavors: []\n")


def longer(image: Path) -> None:
    (image / "data" / "empty").write_bytes(b"x")


def shorter(image: Path) -> None:
    os.truncate(image / "data" / "a b.bin", 2047)


def linked(image: Path) -> None:
    (image / "MLmodel").rename(image / "real")
    (image / "MLmodel").symlink_to("real")


def folder_linked(image: Path) -> None:
    (image / "data").rename(image / "real")
    (image / "data").symlink_to("real")


def fifo(image: Path) -> None:
    (image / "MLmodel").unlink()
    os.mkfifo(image / "MLmodel")


def folder(image: Path) -> None:
    (image / "MLmodel").unlink()
    (image / "MLmodel").mkdir()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (one_less, "'data/empty' is missing"),
        (other_bytes, "'MLmodel' has other bytes than the manifest says"),
        (longer, "'data/empty' has other bytes"),
        (shorter, "'data/a b.bin' has other bytes"),
        (linked, "'MLmodel' is reached through a link"),
        (folder_linked, "'data/a b.bin' is reached through a link"),
        (fifo, "'MLmodel' is no regular file"),
        (folder, "'MLmodel' is no regular file"),
    ],
)
def test_another_image_is_refused(pod: Pod, change: Callable[[Path], None], why: str) -> None:
    change(pod.image)
    pod.refused(why.replace("'", '"'))


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: lines[1:],
        lambda lines: [*lines, f"{'0' * 64} 1 z.py"],
        lambda lines: [lines[0].replace("MLmodel", "MLmodeL"), *lines[1:]],
        lambda lines: [lines[0].replace(" 12 ", " 13 "), *lines[1:]],
        lambda lines: ["0" + lines[0][1:], *lines[1:]],
    ],
    ids=["one-less", "one-more", "renamed", "another-size", "another-digest"],
)
def test_a_manifest_that_disagrees_with_what_was_admitted_is_refused(
    pod: Pod, change: Callable[[list[str]], list[str]]
) -> None:
    lines = change(pod.listed.read_text().splitlines())
    pod.listed.write_text("".join(f"{line}\n" for line in lines))
    pod.refused("the ConfigMap is not the one that was rendered")
    assert pod.seen() == {}


def of(*paths: str) -> str:
    empty = hashlib.sha256().hexdigest()
    return "".join(f"{empty} 0 {path}\n" for path in paths)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "expected lines"),
        (of("a")[:-1], "expected lines"),
        (of("b", "a"), "out of order"),
        (of("a", "a"), "out of order"),
        (of("../a"), "no plain relative path"),
        (of(".."), "no plain relative path"),
        (of("/etc/passwd"), "no plain relative path"),
        (of("a/../b"), "no plain relative path"),
        (of("./a"), "no plain relative path"),
        (of("a//b"), "no plain relative path"),
        (of("a\0b"), "no plain relative path"),
        (of("a").replace(" 0 ", " 00 "), "is not `SHA-256 size path`"),
        (of("a").replace(" 0 ", " -1 "), "is not `SHA-256 size path`"),
        (of("a").upper(), "is not `SHA-256 size path`"),
        (of("a") + "\n", "is not `SHA-256 size path`"),
        (of("a" * (1 << 20)), "has more than 1048576 bytes"),
    ],
    ids=range(16),
)
def test_a_manifest_has_one_form(pod: Pod, text: str, why: str) -> None:
    pod.listed.write_text(text)
    pod.refused(why)


def test_another_tree_than_was_admitted_is_refused(pod: Pod) -> None:
    pod.tree = "sha256:" + "0" * 64
    pod.refused("the ConfigMap is not the one that was rendered")
    pod.tree = ""
    pod.refused("was admitted")


def test_a_large_model_costs_no_memory(pod: Pod) -> None:
    with (pod.image / "weights").open("wb") as weights:
        weights.truncate(LARGE)
    listed = (*files_of(FILES), ModelFile("weights", LARGE, zeros(LARGE)))
    pod.listed.write_text(manifest(listed))
    pod.tree = f"sha256:{model_tree(listed)}"
    limited = ["sh", "-c", f'ulimit -d {MEMORY >> 10}; exec "$@"', "sh", *pod.command]
    done = subprocess.run(limited, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
    assert (pod.folder / "weights").stat().st_size == LARGE


def test_whoever_builds_it_as_the_recipe_says_gets_the_same_program(tmp_path: Path) -> None:
    source = tmp_path / "elsewhere"
    shutil.copytree(copier.SOURCE, source)
    recipe = (source / "Containerfile").read_text()
    (command,) = re.findall(r"^#   CGO_ENABLED=0 (go build .*)$", recipe, re.M)
    go, *build = shlex.split(command)
    assert go == "go"
    environment = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local"}
    subprocess.run([golang.find().program, *build], cwd=source, env=environment, check=True)
    assert (source / "copier").read_bytes() == copier.program().read_bytes()


def zeros(size: int) -> str:
    digest, block = hashlib.sha256(), bytes(1 << 20)
    for _ in range(size >> 20):
        digest.update(block)
    return digest.hexdigest()


def test_the_installed_copier_is_the_same_program(tmp_path: Path) -> None:
    to = tmp_path / "copier"
    to.write_bytes(b"an earlier attempt")
    done = subprocess.run([copier.program(), "install", to], check=False, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert to.read_bytes() == copier.program().read_bytes()
    assert to.stat().st_mode & 0o7777 == 0o555
    assert [path.name for path in tmp_path.iterdir()] == ["copier"]


@pytest.mark.parametrize("arguments", [[], ["copy", "x"], ["install"], ["install", "a", "b"]])
def test_what_it_is_not_asked_for_it_does_not_do(arguments: list[str]) -> None:
    done = subprocess.run([copier.program(), *arguments], check=False, capture_output=True)
    assert done.returncode == 1
    assert done.stderr
