"""What a real node takes from the machine, checked before anything is started."""

import os
import shutil
import sys
from pathlib import Path

_PACKAGES = "runc containernetworking-plugins conntrack nftables iproute2 util-linux"
_PROGRAMS = ("runc", "conntrack", "nft", "ip", "nsenter", "mount")
_PLUGINS = ("ptp", "host-local", "loopback")
_PLUGIN_FOLDERS = ("/usr/lib/cni", "/usr/libexec/cni", "/opt/cni/bin")
# Programs of a node keep state at these places by name. They get the sandbox's own folders there.
COVERED = ("/var/lib", "/var/log", "/run")
SEARCH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))


class NodeError(RuntimeError):
    """This machine cannot run the node as it is: what is missing and how to get it."""


def check(home: Path, search: str = SEARCH, folders: tuple[str, ...] = _PLUGIN_FOLDERS) -> None:
    """NodeError if this machine cannot run a node in `home`; `interlock-sandbox up` shows it."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        raise NodeError(
            "A real node needs Linux and root. Run as root, or use `--profile control-plane`, "
            "which needs neither."
        )
    if missing := absent(search, folders):
        raise NodeError(
            f"A real node needs {', '.join(missing)}, not found on this machine. "
            f"Install it with `apt-get install {_PACKAGES}`, or use `--profile control-plane`."
        )
    if covered := [place for place in COVERED if home.resolve().is_relative_to(place)]:
        raise NodeError(
            f"The sandbox's folder {home} lies in {covered[0]}, where a real node has folders of "
            f"its own. Give one outside {', '.join(COVERED)}."
        )


def absent(search: str, folders: tuple[str, ...]) -> list[str]:
    """The programs and CNI plugins that are not there."""
    missing = [name for name in _PROGRAMS if not shutil.which(name, path=search)]
    found = plugins(folders)
    return missing + [f"CNI plugin {name}" for name in _PLUGINS if not (found / name).exists()]


def program(name: str) -> str:
    """The path of a program of the machine, also where PATH leaves out the sbin folders."""
    return shutil.which(name, path=SEARCH) or name


def plugins(folders: tuple[str, ...] = _PLUGIN_FOLDERS) -> Path:
    """The folder with the CNI plugins, the first one that has them."""
    has = (Path(folder) for folder in folders if (Path(folder) / _PLUGINS[0]).exists())
    return next(has, Path(folders[0]))
