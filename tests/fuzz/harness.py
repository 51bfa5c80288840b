"""Runs one target for a while and says what it did, or which input broke it."""

import re
import resource
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from time import monotonic, process_time

from fuzz.mutate import mutated, smallest

CASE_SECONDS = 1.0
"""No input may take more of a processor: what else runs on the machine is not its fault."""
MEMORY_MIB = 256
"""No input may make the process so much larger."""
MAX_CORPUS = 512
_VALUES = re.compile(r"'[^']*'|[0-9a-f]{8,}|\d+")


@dataclass(frozen=True)
class Target:
    """A reader of foreign bytes."""

    name: str
    seeds: Callable[[], list[bytes]]
    """Real inputs; each of them must be read."""
    read: Callable[[bytes], object]
    """What it returns, if anything, tells one way of being read from another."""
    refusals: tuple[type[Exception], ...]
    """What a refusal looks like. Anything else that is raised is a finding."""
    is_json: bool = True


@dataclass
class Report:
    """What a run did."""

    target: str
    seed: int
    cases: int = 0
    corpus: int = 0
    """Inputs that were mutated in the end: the real ones, and each that ended in a new way."""
    slowest: float = 0.0
    memory_mib: int = 0
    """How much larger the process became."""
    ends: Counter[str] = field(default_factory=Counter)
    """How cases ended: `read`, or the refusal's type."""
    failure: str = ""
    failing: bytes = b""


class Slow(AssertionError):
    """A case that took too long."""


class Large(AssertionError):
    """A case that took too much memory."""


def fuzz(target: Target, seconds: float, seed: int) -> Report:
    """Run a target for so many seconds, or until it breaks. The same seed, the same inputs."""
    report, inputs = Report(target.name, seed), target.seeds()
    random = Random(seed)  # noqa: S311 - the same inputs again, not secrets
    for each in inputs:
        target.read(each)  # a seed that is refused would make the whole run say nothing
    known: set[str] = set()
    idle, end = _peak(), monotonic() + seconds
    while monotonic() < end and not report.failure:
        data = mutated(random, inputs, is_json=target.is_json)
        ended = _case(target, report, data, idle)
        if ended not in known and len(inputs) < MAX_CORPUS:
            known.add(ended)
            inputs.append(data)
    report.corpus, report.memory_mib = len(inputs), _peak() - idle
    return report


def _case(target: Target, report: Report, data: bytes, idle: int) -> str:
    """Read one input and note how that ended. What nobody expected becomes the run's failure."""
    began = process_time()
    try:
        ended = _ended(target, data, idle)
    except Exception as error:
        kind = type(error)
        report.failure = "".join(traceback.format_exception(error, limit=-4))
        report.failing = smallest(data, lambda less: _breaks(target, less, idle, kind))
        return kind.__name__
    report.cases += 1
    report.ends[ended.partition(":")[0]] += 1
    report.slowest = max(report.slowest, process_time() - began)
    return ended


def _ended(target: Target, data: bytes, idle: int) -> str:
    """Return how reading ended, without the values in it. Raises what is a finding."""
    began = process_time()
    try:
        ended = f"read: {_VALUES.sub('…', str(target.read(data)))[:400]}"
    except target.refusals as refusal:
        ended = f"{type(refusal).__name__}: {_VALUES.sub('…', str(refusal))[:120]}"
    took = process_time() - began
    if took > CASE_SECONDS:
        raise Slow(f"a case took {took:.1f} s, at most {CASE_SECONDS} s are allowed")
    if _peak() - idle > MEMORY_MIB:
        raise Large(f"the process grew by more than {MEMORY_MIB} MiB")
    return ended


def _breaks(target: Target, data: bytes, idle: int, kind: type[Exception]) -> bool:
    """Whether an input breaks a target in this way. Growth is seen once only: it is not asked."""
    if kind is Large:
        return False
    try:
        _ended(target, data, idle)
    except kind:
        return True
    except Exception:
        return False
    return False


def _peak() -> int:
    """Return the largest size that this process had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
