"""The local Sigstore's tree proves each of its leaves, and its timestamps answer requests."""

import datetime as dt
import hashlib

import pytest
from rfc3161_client import TimestampRequestBuilder, decode_timestamp_response
from rfc3161_client.base import HashAlgorithm

from interlock_sandbox.sigstore import Instance, asn1
from interlock_sandbox.sigstore.log import MerkleTree
from interlock_sandbox.sigstore.timestamp import BadRequest

TIME = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
TSA = Instance.create().authorities.tsa


def test_each_leaf_of_each_tree_is_proven() -> None:
    tree, leaves = MerkleTree(), [bytes([n]) for n in range(20)]
    for size, added in enumerate(leaves, start=1):
        assert tree.append(added).index == size - 1
        for index in range(size):
            proof = tree.proof(index, size)
            assert proof.root == root_of(leaves[:size])
            assert fold(leaves[index], index, size, list(proof.path)) == proof.root


def root_of(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    left = 1 << ((len(leaves) - 1).bit_length() - 1)
    return hashlib.sha256(b"\1" + root_of(leaves[:left]) + root_of(leaves[left:])).digest()


def fold(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    if size == 1:
        assert not path
        return hashlib.sha256(b"\0" + leaf).digest()
    *inner, sibling = path
    left = 1 << ((size - 1).bit_length() - 1)
    if index < left:
        return hashlib.sha256(b"\1" + fold(leaf, index, left, inner) + sibling).digest()
    return hashlib.sha256(b"\1" + sibling + fold(leaf, index - left, size - left, inner)).digest()


def test_a_timestamp_answers_the_request_it_was_asked() -> None:
    asked = TimestampRequestBuilder().hash_algorithm(HashAlgorithm.SHA256).data(b"x").build()
    answer = decode_timestamp_response(TSA.answer(asked.as_bytes(), TIME))
    assert answer.tst_info.nonce == asked.nonce
    assert asked.nonce is not None
    assert answer.tst_info.message_imprint.message == hashlib.sha256(b"x").digest()
    assert answer.tst_info.gen_time == TIME


def request(digest: bytes, nonce: bytes) -> bytes:
    sha256 = asn1.sequence(asn1.oid("2.16.840.1.101.3.4.2.1"))
    imprint = asn1.sequence(sha256, asn1.octets(digest))
    return asn1.sequence(asn1.integer(1), imprint, nonce)


def test_a_timestamp_request_that_is_none_is_refused() -> None:
    assert TSA.answer(request(b"x" * 32, asn1.integer(200)), TIME)
    sha512 = TimestampRequestBuilder().hash_algorithm(HashAlgorithm.SHA512).data(b"x").build()
    short, negative = request(b"x", asn1.integer(1)), request(b"x" * 32, b"\x02\x01\x80")
    for bad in (b"", b"\x30\x03\x02\x01", b"\x02\x01\x01", sha512.as_bytes(), short, negative):
        with pytest.raises(BadRequest, match="expected"):
            TSA.answer(bad, TIME)
