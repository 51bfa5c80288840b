"""The model's way into a pod where the cluster has no image volumes: copied, file by file.

The kubelet pulls the model's image by digest as it pulls any other: no network and no credentials
of the pod's own. One init container puts the copier into a folder, the next one is the model's
image and runs the copier from there. What it may copy says a manifest, and which manifest it may
believe says the tree's digest in its arguments, which AgentAdmission holds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from interlock.api import digests
from interlock.api.digests import ModelFile
from interlock.render import Unrenderable
from interlock.render.quantities import memory

Object = dict[str, Any]

MAX_MANIFEST_BYTES = 512 * 1024
"""A ConfigMap takes 1 MiB, and an AgentRevision keeps it beside everything else of 1.5 MiB."""
KEY = "files"
INSTALLER, COPIER = "copier", "model"
"""The two init containers."""
TOOLS, LISTED = "copier", "model-files"
"""Volumes that only they mount."""
PROGRAM = "/copier"
"""Where the copier lies in its image."""
HOME = "/interlock"
TAKEN = frozenset({HOME.strip("/"), "dev", "etc", "proc", "run", "sys"})
"""Folders where a runtime, or the pod, mounts something over what an image has there."""
_TOOLS_SIZE = "16Mi"
_BLOCK, _SPARE = 4, 1024
"""KiB: what a file or folder takes at least, and what a file system takes for itself."""
_MEBI = 1024


@dataclass(frozen=True, slots=True)
class Copied:
    """Who copies a model into its pod, and which files it has to be."""

    copier: str
    """The copier's image, by digest."""
    files: tuple[ModelFile, ...]
    """As the verifier proved them equal to `model.tree`."""


def tree_of(copied: Copied, pinned: str | None) -> str:
    """Return `sha256:…` of the files. Raises Unrenderable unless they are the pinned tree."""
    if not copied.files:
        raise Unrenderable(
            "The verifier names no files of the model, which an init container would copy; its "
            "configuration has to say `modelDelivery: InitContainer` as the controller's does, "
            "and the model has to be registered."
        )
    tree = f"sha256:{digests.model_tree(copied.files)}"
    if pinned not in (None, tree):
        raise Unrenderable(
            f"the model's files are the tree {tree}, the spec pins {pinned} in model.tree; "
            "restore them, or run `interlock pin` and have it approved."
        )
    return tree


def manifest(files: tuple[ModelFile, ...]) -> str:
    """Return a line a file, `SHA-256 size path`, in byte order of the paths.

    Raises Unrenderable for files that cannot be copied, or for more than a ConfigMap holds.
    """
    for file in files:
        if (top := file.path.partition("/")[0]) in TAKEN:
            raise Unrenderable(
                f"the model has the file {file.path!r}, and in a container {top!r} belongs to "
                "the runtime; register the model with another name for it."
            )
    ordered = sorted(files, key=lambda file: file.path.encode())
    text = "".join(f"{file.sha256} {file.size} {file.path}\n" for file in ordered)
    if (size := len(text.encode())) > MAX_MANIFEST_BYTES:
        raise Unrenderable(
            f"the model has {len(files)} files, whose list takes {size} bytes, and a ConfigMap "
            f"for it at most {MAX_MANIFEST_BYTES}; pack the model into fewer files, or use a "
            "cluster with image volumes."
        )
    return text


def map_name(tree: str) -> str:
    """Return the name of the ConfigMap with a tree's manifest: longer than any that a team gives.

    It is the tree's whole digest, so that whoever finds the name taken finds the same manifest.
    """
    return f"model-{tree.removeprefix('sha256:')}"


def folder(files: tuple[ModelFile, ...]) -> Object:
    """Return the volume that is filled: as large as the files, and no larger."""
    folders = {file.path[:end] for file in files for end, c in enumerate(file.path) if c == "/"}
    blocks = sum(-(-file.size // (_BLOCK * 1024)) for file in files) + len(files) + len(folders)
    kibi = blocks * _BLOCK + _SPARE
    return {"emptyDir": {"sizeLimit": memory(-(-kibi // _MEBI) * _MEBI)}}


def volumes(tree: str) -> list[Object]:
    """Return what the init containers mount beside the model's folder."""
    return [
        {"name": TOOLS, "emptyDir": {"sizeLimit": _TOOLS_SIZE}},
        {"name": LISTED, "configMap": {"name": map_name(tree)}},
    ]


def init_containers(
    copied: Copied, image: str, tree: str, volume: str, common: Mapping[str, Any]
) -> list[Object]:
    """Return the two init containers, which fill `volume` from the model's `image`.

    `common` is what they share with the agent: resources, so that the quota stays the same, and
    the security context.
    """
    tools, listed, filled = f"{HOME}/bin", f"{HOME}/manifest", f"{HOME}/model"
    arguments = [f"-tree={tree}", f"-manifest={listed}/{KEY}", "-from=/", f"-to={filled}"]
    shared = {**common, "terminationMessagePolicy": "FallbackToLogsOnError"}
    return [
        {
            "name": INSTALLER,
            "image": copied.copier,
            "command": [PROGRAM, "install", f"{tools}{PROGRAM}"],
            "volumeMounts": [{"name": TOOLS, "mountPath": tools}],
            **shared,
        },
        {
            "name": COPIER,
            "image": image,
            "command": [f"{tools}{PROGRAM}", "copy"],
            "args": arguments,
            "volumeMounts": [
                {"name": TOOLS, "mountPath": tools, "readOnly": True},
                {"name": LISTED, "mountPath": listed, "readOnly": True},
                {"name": volume, "mountPath": filled},
            ],
            **shared,
        },
    ]
