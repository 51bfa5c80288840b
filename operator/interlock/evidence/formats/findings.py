"""What was found in one file, and the sum over all files of a model."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from interlock.api.content import MAX_NAMED, Content, Fault, Pickle
from interlock.evidence.formats.known import UNKNOWN


@dataclass(frozen=True, slots=True)
class FileFindings:
    """One file of a model. Archives' members are found in it, too."""

    path: str
    format: str
    """Its format, empty where it is no whole and plain file: then it is a fault or a pickle."""
    faults: tuple[Fault, ...] = ()
    pickles: tuple[Pickle, ...] = ()
    loaders: tuple[str, ...] = ()
    code: tuple[str, ...] = ()
    loose: tuple[str, ...] = ()
    refers: tuple[str, ...] = ()
    """Files of the model that a loader of this one reads."""
    more: int = 0
    """Entries that the lists above had no room for."""


def content(files: Iterable[FileFindings]) -> Content:
    """Return what the files are together, in the order of their paths."""
    known = sorted(files, key=lambda each: each.path)
    formats, first = _formats(known)
    faults = [fault for each in known for fault in each.faults] + _absent(known)
    pickles = [pickle for each in known for pickle in each.pickles]
    loaders = sorted({name for each in known for name in each.loaders})
    code = sorted({name for each in known for name in each.code})
    loose = sorted({name for each in known for name in each.loose})
    lists: list[Sequence[object]] = [faults, pickles, loaders, code, loose]
    return Content(
        formats=formats,
        first=first,
        faults=faults[:MAX_NAMED],
        pickles=pickles[:MAX_NAMED],
        loaders=loaders[:MAX_NAMED],
        code=code[:MAX_NAMED],
        loose=loose[:MAX_NAMED],
        more=sum(each.more for each in known)
        + sum(max(0, len(listed) - MAX_NAMED) for listed in lists),
    )


def _formats(known: list[FileFindings]) -> tuple[dict[str, int], dict[str, str]]:
    """Return how many files there are of each format, and the first of them.

    Bytes of no format that a model reads as its tensors are of that model's format.
    """
    owner = {path: each.format for each in known for path in each.refers}
    formats: dict[str, int] = {}
    first: dict[str, str] = {}
    for each in known:
        format_ = owner.get(each.path, "") if each.format == UNKNOWN.format else each.format
        format_ = format_ or each.format
        if format_:
            formats[format_] = formats.get(format_, 0) + 1
            first.setdefault(format_, each.path)
    return formats, first


def _absent(known: list[FileFindings]) -> list[Fault]:
    there = {each.path for each in known}
    return [
        Fault(path=each.path, format=each.format, why=f"it reads {path}, which is not there")
        for each in known
        for path in each.refers
        if path not in there
    ]
