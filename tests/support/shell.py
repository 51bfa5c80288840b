"""Somebody's terminal: the plugin as a process of its own, with a real kubectl and a login."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

CODE = "from interlock.cli.plugin import main; main()"
AT_A_TERMINAL = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
"""What runs in the background may have been told to ignore Ctrl-C; what runs here was not."""
SECONDS = 300.0
"""What no command takes; one that does is stuck."""


def kubectl_program() -> str:
    """The kubectl that the tests' wheel brings, or the one on PATH."""
    beside = os.path.dirname(sys.executable)
    return shutil.which("kubectl", path=f"{beside}{os.pathsep}{os.environ['PATH']}") or "kubectl"


def impersonating(kubeconfig: Path, user: str, folder: Path) -> Path:
    """A kubeconfig of an administrator who acts in somebody's name, with that one's rights."""
    config: dict[str, Any] = yaml.safe_load(kubeconfig.read_text())
    config["users"][0]["user"]["as"] = user
    path = folder / f"{user}.kubeconfig"
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(config))
    return path


class Shell:
    """A terminal with one login."""

    def __init__(self, kubeconfig: Path) -> None:
        self.env = os.environ | {"KUBECONFIG": str(kubeconfig), "KUBECTL": kubectl_program()}

    def __call__(self, *args: str) -> subprocess.CompletedProcess[str]:
        """Run `kubectl interlock` with these words."""
        return subprocess.run(
            [sys.executable, "-c", CODE, *args],
            capture_output=True,
            check=False,
            text=True,
            timeout=SECONDS,
            env=self.env,
        )

    @contextmanager
    def start(self, *args: str) -> "Iterator[subprocess.Popen[str]]":
        """`kubectl interlock`, running meanwhile; whatever happens, it does not outlive this."""
        with subprocess.Popen(
            [sys.executable, "-u", "-c", f"{AT_A_TERMINAL}; {CODE}", *args],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.env,
        ) as process:
            try:
                yield process
            finally:
                process.kill()
