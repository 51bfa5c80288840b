"""A transparency log: a growing Merkle tree (RFC 6962), checkpoints and signed entry timestamps.

Everything that a log signs can be overridden, since a log that lies with its own key is what a
careful client has to notice.
"""

import hashlib
import threading
from dataclasses import dataclass
from typing import Any, NamedTuple

import rfc8785

from interlock_sandbox.sigstore.keys import Key, b64


@dataclass(frozen=True, slots=True)
class Proof:
    """That the leaf `index` is in the tree of `size` leaves with this root."""

    index: int
    size: int
    root: bytes
    path: tuple[bytes, ...]


class MerkleTree:
    """An append-only hash tree that keeps all complete subtrees: every proof is logarithmic."""

    def __init__(self) -> None:
        self._levels: list[list[bytes]] = [[]]

    def append(self, leaf: bytes) -> Proof:
        """Adds a leaf and proves that it is in."""
        node, level = hashlib.sha256(b"\0" + leaf).digest(), 0
        self._levels[0].append(node)
        while len(self._levels[level]) % 2 == 0:
            node = _parent(*self._levels[level][-2:])
            level += 1
            if level == len(self._levels):
                self._levels.append([])
            self._levels[level].append(node)
        size = len(self._levels[0])
        return self.proof(size - 1, size)

    def proof(self, index: int, size: int) -> Proof:
        """That leaf `index` is in the tree of the first `size` leaves."""
        return Proof(index, size, self._hash(0, size), tuple(self._path(index, 0, size)))

    def _hash(self, start: int, size: int) -> bytes:
        level = size.bit_length() - 1
        if size == 1 << level:  # complete, and aligned wherever the recursion asks for it
            return self._levels[level][start >> level]
        left = 1 << level
        return _parent(self._hash(start, left), self._hash(start + left, size - left))

    def _path(self, index: int, start: int, size: int) -> list[bytes]:
        if size == 1:
            return []
        left = 1 << ((size - 1).bit_length() - 1)
        if index < start + left:
            sibling = self._hash(start + left, size - left)
            return [*self._path(index, start, left), sibling]
        return [*self._path(index, start + left, size - left), self._hash(start, left)]


class Body(NamedTuple):
    """What is logged: canonical JSON and its type."""

    kind: str
    version: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What the log says about an entry; None is the truth."""

    integrated_time: int | None  # None: says no time, like Rekor v2
    promise: bool  # with a signed entry timestamp, like Rekor v1
    log_id: bytes | None = None
    log_index: int | None = None
    origin: str | None = None
    size: int | None = None
    root: bytes | None = None


class Log:
    """A log with its key; `origin` is the name in its checkpoints."""

    def __init__(self, key: Key, origin: str) -> None:
        self.key = key
        self.origin = origin
        self._tree = MerkleTree()
        self._lock = threading.Lock()

    def add(self, body: Body, claims: Claims) -> dict[str, Any]:
        """Appends `body`; returns a TransparencyLogEntry in protobuf's JSON form."""
        with self._lock:
            proof = self._tree.append(body.content)
        log_id = claims.log_id or self.key.id
        index = proof.index if claims.log_index is None else claims.log_index
        entry: dict[str, Any] = {
            "logIndex": str(index),
            "logId": {"keyId": b64(log_id)},
            "kindVersion": {"kind": body.kind, "version": body.version},
            "inclusionProof": {
                "logIndex": str(proof.index),
                "rootHash": b64(proof.root),
                "treeSize": str(proof.size),
                "hashes": [b64(node) for node in proof.path],
                "checkpoint": {"envelope": self._checkpoint(proof, claims, log_id)},
            },
            "canonicalizedBody": b64(body.content),
        }
        if claims.integrated_time is not None:
            entry["integratedTime"] = str(claims.integrated_time)
        if claims.promise:
            signed = {
                "body": entry["canonicalizedBody"],
                "integratedTime": claims.integrated_time or 0,
                "logID": log_id.hex(),
                "logIndex": index,
            }
            promise = self.key.sign(rfc8785.dumps(signed))
            entry["inclusionPromise"] = {"signedEntryTimestamp": b64(promise)}
        return entry

    def _checkpoint(self, proof: Proof, claims: Claims, log_id: bytes) -> str:
        origin = self.origin if claims.origin is None else claims.origin
        size = proof.size if claims.size is None else claims.size
        note = f"{origin}\n{size}\n{b64(claims.root or proof.root)}\n"
        signature = b64(log_id[:4] + self.key.sign(note.encode()))
        return f"{note}\n\N{EM DASH} {origin} {signature}\n"


def _parent(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()
