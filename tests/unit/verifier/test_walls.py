"""What is walled off is decided here; that the walls stand is for the attack tests."""

import errno
import struct

import pytest

from interlock.verifier import landlock, seccomp, walls

ALLOWED, REFUSED, UNKNOWN = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS
ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
FORK = 0x01200011
"""The flags with which libc forks."""


def judged(machine: str, number: int, first: int = 0, architecture: int | None = None) -> int:
    """What the filter says of a call: a classic BPF machine, as far as the filter needs one."""
    about = architecture or ARCHITECTURE[machine]
    data = struct.pack("=iIQQ", number, about, 0, first)
    code, place, held = seccomp._filter(machine), 0, 0
    while True:
        operation, if_true, if_false, value = struct.unpack("=HBBI", code[place])
        place += 1
        match operation:
            case 0x20:
                (held,) = struct.unpack_from("=I", data, value)
            case 0x06:
                return int(value)
            case 0x15 | 0x35 | 0x45:
                holds = {0x15: held == value, 0x35: held >= value, 0x45: held & value != 0}
                place += if_true if holds[operation] else if_false
            case _:
                raise AssertionError(f"step {place} is {operation:#x}")


@pytest.mark.parametrize(
    ("machine", "number", "first", "said"),
    [
        ("x86_64", 0, 0, ALLOWED),  # read
        ("x86_64", 56, FORK, ALLOWED),  # clone
        ("x86_64", 56, FORK | 0x10000000, REFUSED),  # clone into a user namespace
        ("x86_64", 1, 0x10000000, ALLOWED),  # write: its argument is no flag
        ("x86_64", 101, 0, REFUSED),  # ptrace
        ("x86_64", 0x40000000, 0, REFUSED),  # read, as x32 calls it
        ("x86_64", 435, 0, UNKNOWN),  # clone3
        ("aarch64", 63, 0, ALLOWED),  # read
        ("aarch64", 101, 0, ALLOWED),  # nanosleep
        ("aarch64", 117, 0, REFUSED),  # ptrace
        ("aarch64", 220, FORK, ALLOWED),
        ("aarch64", 220, FORK | 0x20000000, REFUSED),
        ("aarch64", 438, 0, REFUSED),  # pidfd_getfd
    ],
)
def test_calls_that_no_job_needs_are_refused(
    machine: str, number: int, first: int, said: int
) -> None:
    assert judged(machine, number, first) == said


def test_calls_by_another_architectures_numbers_are_refused() -> None:
    assert judged("x86_64", 0, architecture=0x40000003) == REFUSED


@pytest.mark.parametrize(
    ("version", "filters", "words"),
    [
        (landlock.SCOPES_SINCE, True, []),
        (landlock.SCOPES_SINCE - 1, True, ["can end other jobs"]),
        (0, False, ["no Landlock", "no seccomp"]),
    ],
)
def test_what_a_kernel_lacks_is_said(
    monkeypatch: pytest.MonkeyPatch, version: int, filters: bool, words: list[str]
) -> None:
    monkeypatch.setattr(landlock, "version", lambda: version)
    monkeypatch.setattr(seccomp, "available", lambda: filters)
    said = walls.gaps()
    assert len(said) == len(words)
    assert all(word in sentence for word, sentence in zip(words, said, strict=True))
