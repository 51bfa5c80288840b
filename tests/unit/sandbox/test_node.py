"""The pure pieces of the real node: what it needs, how it is configured, what it takes away."""

import json
import threading
import tomllib
from pathlib import Path

import pytest

from interlock_sandbox.node import cgroups, config, holder, needs, network
from interlock_sandbox.node.needs import NodeError
from interlock_sandbox.node.netns import own_network

PROGRAMS = ("runc", "conntrack", "nft", "ip", "nsenter", "mount")
PLUGINS = ("ptp", "host-local", "loopback")
MOUNTS = """\
proc /proc proc rw 0 0
cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0
tmpfs /sys/fs/cgroup tmpfs rw 0 0
"""


def machine(folder: Path, programs: tuple[str, ...], plugins: tuple[str, ...]) -> tuple[str, str]:
    for kind, names in (("bin", programs), ("cni", plugins)):
        (folder / kind).mkdir()
        for name in names:
            (folder / kind / name).touch(mode=0o755)
    return str(folder / "bin"), str(folder / "cni")


def test_a_machine_that_has_all_lacks_nothing(tmp_path: Path) -> None:
    search, folder = machine(tmp_path, PROGRAMS, PLUGINS)
    assert needs.absent(search, (folder,)) == []
    assert needs.plugins(("/nowhere", folder)) == Path(folder)


def test_what_is_missing_is_named_with_the_line_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    programs = ("runc", "nft", "ip", "nsenter", "mount")
    search, folder = machine(tmp_path, programs, ("ptp", "loopback"))
    with pytest.raises(NodeError) as caught:
        needs.check(tmp_path, search, (folder,))
    assert "needs conntrack, CNI plugin host-local, not found" in str(caught.value)
    assert "apt-get install runc containernetworking-plugins conntrack" in str(caught.value)


def test_without_root_the_other_profile_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(NodeError, match="--profile control-plane"):
        needs.check(Path("/tmp/one"))


def test_a_folder_that_the_node_covers_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    search, folder = machine(tmp_path, PROGRAMS, PLUGINS)
    needs.check(tmp_path, search, (folder,))
    with pytest.raises(NodeError, match="/var/lib/interlock lies in /var/lib"):
        needs.check(Path("/var/lib/interlock"), search, (folder,))


def test_cgroups_of_both_versions_are_found() -> None:
    found = [Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup/unified")]
    assert cgroups.hierarchies(MOUNTS) == found


def test_each_sandbox_has_a_cgroup_of_its_own() -> None:
    one, other = (cgroups.name(Path(home)) for home in ("/tmp/one", "/tmp/other"))
    assert one != other
    assert one == cgroups.name(Path("/tmp/one"))


@pytest.fixture
def hierarchy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One cgroup hierarchy of version 2, as plain folders."""
    root = tmp_path / "unified"
    root.mkdir()
    (root / "cgroup.controllers").write_text("cpu memory\n")
    (root / "cgroup.subtree_control").touch()
    (tmp_path / "mounts").write_text(f"cgroup2 {root} cgroup2 rw 0 0\n")
    monkeypatch.setattr(cgroups, "_MOUNTS", tmp_path / "mounts")
    return root


def test_a_cgroup_gets_its_controllers_and_goes_with_all_below(hierarchy: Path) -> None:
    home = Path("/tmp/one")
    cgroups.make(home)
    own = hierarchy / cgroups.name(home)
    (own / "kubepods" / "pod").mkdir(parents=True)
    (hierarchy / "another").mkdir()
    assert (hierarchy / "cgroup.subtree_control").read_text() == "+memory"
    cgroups.remove(home)
    assert not own.exists()
    assert (hierarchy / "another").is_dir()


def test_a_busy_cgroup_is_given_up_and_not_waited_for_forever(
    hierarchy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroups, "_PATIENCE", 0.0)
    cgroups.make(Path("/tmp/one"))
    busy = hierarchy / cgroups.name(Path("/tmp/one")) / "busy"
    busy.write_text("a folder with a file in it cannot be removed")
    cgroups.remove(Path("/tmp/one"))
    assert busy.exists()


def test_one_network_takes_one_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "_LOCK", b"\0interlock-unit-test")
    with network.claim(patience=0), pytest.raises(NodeError, match="there can be one only"):
        network.claim(patience=0)
    network.claim(patience=0).close()


def test_a_network_that_was_never_prepared_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "claim", lambda **_: pytest.fail("nothing was ours"))
    network.restore(tmp_path)


def test_a_process_with_threads_keeps_its_network() -> None:
    done = threading.Event()
    other = threading.Thread(target=done.wait, name="busy")
    other.start()
    try:
        with pytest.raises(RuntimeError, match="busy"):
            own_network()
    finally:
        done.set()
        other.join()


def test_containerd_is_told_where_everything_is() -> None:
    text = config.containerd(Path("/plugins"), Path("/networks"), "/usr/sbin/runc")
    plugins = tomllib.loads(text)["plugins"]
    runtime = plugins["io.containerd.cri.v1.runtime"]
    assert runtime["cni"] == {"bin_dirs": ["/plugins"], "bin_dir": "", "conf_dir": "/networks"}
    runc = runtime["containerd"]["runtimes"]["runc"]
    assert runc["options"] == {"BinaryName": "/usr/sbin/runc", "SystemdCgroup": False}
    pinned = plugins["io.containerd.cri.v1.images"]["pinned_images"]
    assert pinned == {"sandbox": config.PAUSE_IMAGE}


def test_no_pods_share_a_bridge() -> None:
    plugins = json.loads(config.pod_network("10.244.0.0/16"))["plugins"]
    assert [plugin["type"] for plugin in plugins] == ["ptp"]


def test_kubelet_serves_on_the_nodes_address_to_those_with_a_certificate_only() -> None:
    said = json.loads(config.kubelet("198.18.0.1", (1, 2), Path("/pki"), "interlock-a"))
    assert (said["address"], said["port"]) == ("198.18.0.1", 1)
    assert (said["healthzBindAddress"], said["healthzPort"]) == ("127.0.0.1", 2)
    assert said["authentication"]["anonymous"] == {"enabled": False}
    assert said["authorization"] == {"mode": "Webhook"}
    assert said["cgroupRoot"] == "/interlock-a"


def test_a_command_in_the_node_is_joined_without_a_shell_reading_it(tmp_path: Path) -> None:
    command = holder.inside(tmp_path, "ctr", "a b; $(c)")
    assert command[-2:] == ("ctr", "a b; $(c)")
    assert command[3] == str(holder.pid_file(tmp_path))
