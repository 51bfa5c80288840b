"""Which authorities a trusted root vouches for, at the moments that a bundle speaks of.

A trusted root names several of each kind, with the time in which each may be believed. The library
never enforces the end of it (sigstore_trustroot.proto: clients MUST check the timestamps against
the window and the entire chain) and tries every key where a hint fits none. So each bundle is
verified with those instances alone that it names and that could have signed it then.
"""

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from cryptography import x509

from interlock.evidence.statement import Refused
from interlock.policy import strict_json

MAX_BYTES = 4 * 1024 * 1024
Kind = Literal["tlogs", "ctlogs", "certificateAuthorities", "timestampAuthorities"]
Parts = dict[Kind, list[Mapping[str, Any]]]
"""Instances by their kind, as the trusted root has them."""


@dataclass(frozen=True, slots=True)
class _Instance:
    """One authority and the time in which all that it consists of is valid."""

    entry: Mapping[str, Any]
    id: bytes
    """Of a log: its identifier."""
    start: datetime
    end: datetime | None

    def vouches(self, moments: Iterable[datetime]) -> bool:
        return all(self.start <= at and (self.end is None or at <= self.end) for at in moments)


class TrustedRoot:
    """A `trusted_root.json`. Raises what its parsers raise for a bad one."""

    def __init__(self, data: bytes) -> None:
        document: Any = strict_json.load(data, limit=MAX_BYTES)
        self._media_type = str(document["mediaType"])
        self._known: Mapping[Kind, list[_Instance]] = {
            kind: [read(entry) for entry in document.get(kind, [])]
            for kind, read in _READERS.items()
        }

    def whole(self) -> dict[str, Any]:
        """Return all of it, as JSON."""
        return self.of({kind: [one.entry for one in known] for kind, known in self._known.items()})

    def of(self, parts: Parts) -> dict[str, Any]:
        """Return a trusted root of these instances alone, as JSON."""
        return {"mediaType": self._media_type} | {kind: parts.get(kind, []) for kind in _READERS}

    def vouching(
        self, kind: Kind, moments: Sequence[datetime], log: bytes | None = None
    ) -> list[Mapping[str, Any]]:
        """Return the instances of a kind that may be believed at all these moments.

        `log` keeps to the one with this identifier. Raises Refused where there is none.
        """
        named = [each for each in self._known[kind] if log is None or each.id == log]
        found = [each.entry for each in named if each.vouches(moments)]
        if not found:
            when = ", ".join(at.isoformat() for at in moments)
            got = f"{when}: none of its {kind}" + (f" is {log.hex()}" if log else "")
            expected = "one that the trusted root names, within its time"
            raise Refused("OutsideTrust", got, expected)
        return found


def _log(entry: Mapping[str, Any]) -> _Instance:
    start, end = _window(entry["publicKey"]["validFor"])
    return _Instance(entry, base64.b64decode(entry["logId"]["keyId"], validate=True), start, end)


def _authority(entry: Mapping[str, Any]) -> _Instance:
    """Read an authority; it vouches for nothing while one of its certificates does not."""
    start, end = _window(entry["validFor"])
    chain = [
        x509.load_der_x509_certificate(base64.b64decode(each["rawBytes"], validate=True))
        for each in entry["certChain"]["certificates"]
    ]
    starts = [start, *(one.not_valid_before_utc for one in chain)]
    ends = [*([end] if end else []), *(one.not_valid_after_utc for one in chain)]
    return _Instance(entry, b"", max(starts), min(ends))


def _window(valid_for: Mapping[str, str]) -> tuple[datetime, datetime | None]:
    end = valid_for.get("end")
    return _moment(valid_for["start"]), _moment(end) if end else None


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


_READERS: Mapping[Kind, Callable[[Mapping[str, Any]], _Instance]] = {
    "tlogs": _log,
    "ctlogs": _log,
    "certificateAuthorities": _authority,
    "timestampAuthorities": _authority,
}
