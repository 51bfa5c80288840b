"""Shuts a process, and all that it starts, into a few folders (Linux Landlock, landlock(7)).

It needs no privilege and cannot be undone. What is not named cannot be opened, so that bytes that
take over one job reach neither another job's files nor the socket at which the controller asks;
and the job can neither signal a process outside nor listen on a port.
"""

import ctypes
import os
import stat
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
"""System calls: the same numbers on every architecture."""
_VERSION = 1
_PATH_BENEATH = 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE, _IOCTL = 1 << 14, 1 << 15
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL
_LOOK = _EXECUTE | _READ_FILE | _READ_DIR
_BIND_TCP = 1 << 0
_ABSTRACT_SOCKETS, _SIGNALS = 1 << 0, 1 << 1
_FILE_BITS = {1: 13, 2: 14, 3: 15, 4: 15}
"""ABI version to how many access rights to files it knows; 16 from the fifth on."""
_NETWORK_SINCE = 4
SCOPES_SINCE = 6
"""The version that keeps a process from signalling those outside."""
_LIBC = ctypes.CDLL(None, use_errno=True)


def version() -> int:
    """Return the kernel's version of Landlock; 0 where it has none or does not use it."""
    if sys.platform != "linux":
        return 0
    return max(0, int(_syscall(_CREATE_RULESET, None, 0, _VERSION)))


def shut(readable: Iterable[Path], writable: Iterable[Path]) -> bool:
    """Leave this process these paths and what lies below them; False where there is no Landlock.

    Paths that do not exist are passed over. Raises OSError. `no_new_privs` must be set already.
    """
    abi = version()
    if abi == 0:
        return False
    every = (1 << _FILE_BITS.get(abi, 16)) - 1
    network = _BIND_TCP if abi >= _NETWORK_SINCE else 0
    scopes = _ABSTRACT_SOCKETS | _SIGNALS if abi >= SCOPES_SINCE else 0
    wanted = struct.pack("=QQQ", every, network, scopes)
    rules = _checked(_CREATE_RULESET, wanted, len(wanted), 0)
    try:
        for path in readable:
            _allow(rules, path, _LOOK)
        for path in writable:
            _allow(rules, path, every)
        _checked(_RESTRICT_SELF, rules, 0)
    finally:
        os.close(rules)
    return True


def _allow(rules: int, path: Path, rights: int) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        is_folder = stat.S_ISDIR(os.fstat(opened).st_mode)
        usable = rights if is_folder else rights & _OF_FILES
        _checked(_ADD_RULE, rules, _PATH_BENEATH, struct.pack("=Qi", usable, opened), 0)
    finally:
        os.close(opened)


def _checked(number: int, *args: object) -> int:
    result = _syscall(number, *args)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"landlock: {os.strerror(error)}")
    return result


def _syscall(number: int, *args: object) -> int:
    result: int = _LIBC.syscall(number, *args)
    return result
