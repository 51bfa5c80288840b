"""A model's folder: regular files under plain names, in byte order, unchanging."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from interlock.api.digests import ModelFile, model_tree, sha256
from interlock_pipelines.errors import BadInput
from interlock_pipelines.tree import read_tree


def test_files_are_hashed_in_byte_order_of_their_paths(model: Path) -> None:
    tree = read_tree(model)
    files = (
        ModelFile("a.json", 2, sha256(b"{}")),  # `.` sorts before `/`
        ModelFile("a/weights.bin", 1000, sha256(b"\x01" * 1000)),
    )
    assert tree.files == files
    assert tree.digest == f"sha256:{model_tree(files)}"


def _link(folder: Path) -> None:
    (folder / "link").symlink_to("a.json")


def _folder_link(folder: Path) -> None:
    (folder / "link").symlink_to(folder / "a", target_is_directory=True)


def _pipe(folder: Path) -> None:
    os.mkfifo(folder / "pipe")


def _newline(folder: Path) -> None:
    (folder / "a\nb").write_bytes(b"")


def _case(folder: Path) -> None:
    (folder / "A.JSON").write_bytes(b"")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_link, "is a link or a device"),
        (_folder_link, "is a link or a device"),
        (_pipe, "is a link or a device"),
        (_newline, "does not print"),
        (_case, "twice but for case"),
    ],
)
def test_what_no_pod_may_mount_is_refused(
    model: Path, spoil: Callable[[Path], None], said: str
) -> None:
    spoil(model)
    with pytest.raises(BadInput, match=said):
        read_tree(model)


def test_an_empty_or_missing_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="holds no file"):
        read_tree(tmp_path)
    with pytest.raises(BadInput, match="is not there"):
        read_tree(tmp_path / "none")


@pytest.mark.parametrize("content", [b"[]", b"{", b"{} "])
def test_a_file_that_changes_meanwhile_is_noticed(model: Path, content: bytes) -> None:
    tree = read_tree(model)
    (model / "a.json").write_bytes(content)
    with pytest.raises(BadInput, match=r"a\.json changed while it was published"):
        b"".join(tree.chunks(tree.files[0]))


def test_a_file_that_becomes_a_link_meanwhile_is_not_followed(model: Path) -> None:
    tree = read_tree(model)
    (model / "a.json").rename(model / "other")
    (model / "a.json").symlink_to("other")
    with pytest.raises(BadInput, match="cannot be read"):
        b"".join(tree.chunks(tree.files[0]))
