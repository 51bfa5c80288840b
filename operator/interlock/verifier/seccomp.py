"""Takes system calls away from a process and all that it starts (Linux seccomp, seccomp(2)).

What a job needs is files, sockets, threads and git. What it never needs is where kernels break and
where one process reaches into another: those calls fail with EPERM, and cannot be had back.
"""

import ctypes
import errno
import os
import struct
import sys

_NUMBERS = {
    "x86_64": {
        "add_key": 248, "bpf": 321, "chroot": 161, "delete_module": 176, "finit_module": 313,
        "init_module": 175, "kcmp": 312, "kexec_file_load": 320, "kexec_load": 246, "keyctl": 250,
        "mount": 165, "name_to_handle_at": 303, "open_by_handle_at": 304, "perf_event_open": 298,
        "pivot_root": 155, "process_vm_readv": 310, "process_vm_writev": 311, "ptrace": 101,
        "reboot": 169, "request_key": 249, "setns": 308, "swapoff": 168, "swapon": 167,
        "umount2": 166, "unshare": 272, "userfaultfd": 323,
    },
    "aarch64": {
        "add_key": 217, "bpf": 280, "chroot": 51, "delete_module": 106, "finit_module": 273,
        "init_module": 105, "kcmp": 272, "kexec_file_load": 294, "kexec_load": 104, "keyctl": 219,
        "mount": 40, "name_to_handle_at": 264, "open_by_handle_at": 265, "perf_event_open": 241,
        "pivot_root": 41, "process_vm_readv": 270, "process_vm_writev": 271, "ptrace": 117,
        "reboot": 142, "request_key": 218, "setns": 268, "swapoff": 225, "swapon": 224,
        "umount2": 39, "unshare": 97, "userfaultfd": 282,
    },
}  # fmt: skip
_EVERYWHERE = {
    "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "open_tree": 428,
    "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433,
    "pidfd_getfd": 438, "process_madvise": 440, "mount_setattr": 442,
}  # fmt: skip
"""The same numbers on every architecture."""
_CLONE = {"x86_64": 56, "aarch64": 220}
_CLONE3 = 435
_NAMESPACES = 0x7E020000
"""All CLONE_NEW* flags: a namespace of its own gives a process much more of the kernel."""
_AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_SYSCALL = {"x86_64": 317, "aarch64": 277}
_ACTION_AVAILABLE, _PR_SET_SECCOMP, _FILTER = 2, 22, 2
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_X32 = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))


def available() -> bool:
    """Whether this machine has filters, and we know its system calls."""
    machine = os.uname().machine
    if sys.platform != "linux" or machine not in _NUMBERS:
        return False
    action = ctypes.c_uint32(_ERRNO)
    return bool(_LIBC.syscall(_SYSCALL[machine], _ACTION_AVAILABLE, 0, ctypes.byref(action)) == 0)


def shut() -> bool:
    """Take the calls away; False where that cannot be. `no_new_privs` must be set already.

    Raises OSError.
    """
    if not available():
        return False
    code = b"".join(_filter(os.uname().machine))
    buffer = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(code) // 8, ctypes.addressof(buffer))
    if _LIBC.prctl(_PR_SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"seccomp: {os.strerror(error)}")
    return True


def _filter(machine: str) -> list[bytes]:
    """Return a classic BPF program; each refusal follows its question at once."""
    refused, unknown = _refuse(errno.EPERM), _refuse(errno.ENOSYS)
    code = [_step(_LOAD, _ARCHITECTURE), _step(_EQUAL, _AUDIT[machine], 1, 0), refused]
    code += [_step(_LOAD, _NUMBER), _step(_AT_LEAST, _X32, 0, 1), refused]
    for number in sorted({*_NUMBERS[machine].values(), *_EVERYWHERE.values()}):
        code += [_step(_EQUAL, number, 0, 1), refused]
    # clone3 hides its flags in memory: libc falls back to clone, whose flags can be seen.
    code += [_step(_EQUAL, _CLONE3, 0, 1), unknown]
    code += [_step(_EQUAL, _CLONE[machine], 0, 3), _step(_LOAD, _FIRST_ARGUMENT)]
    code += [_step(_ANY_BIT, _NAMESPACES, 0, 1), refused, _step(_RETURN, _ALLOW)]
    return code


def _refuse(number: int) -> bytes:
    return _step(_RETURN, _ERRNO | number)


def _step(operation: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", operation, if_true, if_false, value)
