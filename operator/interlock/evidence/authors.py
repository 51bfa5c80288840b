"""Says whose hands were on a change, so that nobody approves their own work.

All of it can only take approvals away: an author line is whatever its writer liked, so a name in
it excludes a person and never vouches for one. A signature that holds adds the key that made it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from interlock.api.facts import Change, Evidence, Involved
from interlock.evidence import sshsig
from interlock.evidence.git import MAX_COMMITS, CommitInfo, GitRefused, Mirror

NAMESPACE = "git"
"""The SSHSIG namespace that git itself signs commits for."""
MAX_PEOPLE = 512
_MAX_ADDRESS = 320
_SIGNATURE = b"gpgsig"
_WRITERS = frozenset({b"author", b"committer"})
_COAUTHOR = re.compile(rb"^[ \t]*co-authored-by[ \t]*:[^\r\n]*<([^<>\r\n]*)>", re.I | re.M)


@dataclass(frozen=True, slots=True)
class _Header:
    name: bytes
    value: bytes
    raw: bytes


async def change(  # noqa: PLR0917 - the contract
    mirror: Mirror, repository: str, ref: str, path: str, commit: str, since: str
) -> Change:
    """Return who touched `path` in the commits after `since` up to `commit`.

    An empty `since` asks for the whole history. `complete` is False where the history does not
    lead back to `since`, or is longer than we read: then nobody can be shown not to be involved.
    """
    about = {"repository": repository, "ref": ref, "path": path, "commit": commit}
    try:
        leads_back = not since or await mirror.is_ancestor(since, commit)
        commits = await mirror.history(commit, path, since if leads_back else "")
    except GitRefused:
        return Change.model_validate(about)
    people: set[Involved] = set()
    unsigned = 0
    for one in commits[:MAX_COMMITS]:
        found = involved(one)
        people |= found
        unsigned += not any(person.kind == "signer" for person in found)
    listed = sorted(people, key=lambda person: (person.kind, person.id))
    whole = leads_back and len(commits) <= MAX_COMMITS and len(listed) <= MAX_PEOPLE
    return Change.model_validate(
        about | {"people": listed[:MAX_PEOPLE], "unsigned": unsigned, "complete": whole}
    )


async def containing(mirror: Mirror, change: Change, evidence: Iterable[Evidence]) -> Change:
    """Return the change with those commits that it contains, of all that provenance names."""
    named = {each.provenance.commit for each in evidence if each.provenance} - {""}
    contains = [each for each in sorted(named) if await _contains(mirror, each, change.commit)]
    return change.model_copy(update={"contains": contains or None})


async def _contains(mirror: Mirror, old: str, new: str) -> bool:
    try:
        return await mirror.is_ancestor(old, new)
    except GitRefused:  # a commit id of another kind of repository
        return False


def involved(commit: CommitInfo) -> set[Involved]:
    """Return everybody that a commit names, and the key that signed it if its signature holds."""
    head, _, message = commit.raw.partition(b"\n\n")
    headers = _headers(head)
    found = {
        Involved.model_validate({"kind": header.name.decode(), "id": address})
        for header in headers
        if header.name in _WRITERS
        for address in _addresses(header.value)
    }
    found |= {Involved(kind="coauthor", id=address) for address in coauthors(message)}
    if key := _signer(headers, message):
        found.add(Involved(kind="signer", id=key))
    return found


def coauthors(message: bytes) -> list[str]:
    """Return the addresses that the trailers of a commit's message name."""
    return [_clean(text) for text in _COAUTHOR.findall(message)]


def _headers(head: bytes) -> list[_Header]:
    """Split a commit's header; a line that starts with a space continues the one before."""
    headers: list[_Header] = []
    for line in head.split(b"\n"):
        if line.startswith(b" ") and headers:
            last = headers.pop()
            joined = _Header(last.name, last.value + b"\n" + line[1:], last.raw + line + b"\n")
            headers.append(joined)
            continue
        name, _, value = line.partition(b" ")
        headers.append(_Header(name, value, line + b"\n"))
    return headers


def _signer(headers: list[_Header], message: bytes) -> str:
    """Return the fingerprint of the SSH key that signed the commit, or nothing.

    What is signed is the commit without its signature header (git's signature format).
    """
    signatures = [header for header in headers if header.name == _SIGNATURE]
    if len(signatures) != 1:
        return ""
    payload = b"".join(header.raw for header in headers if header.name != _SIGNATURE)
    try:
        armored = signatures[0].value.decode("ascii")
        return sshsig.verify(armored, payload + b"\n" + message, NAMESPACE)
    except (UnicodeDecodeError, sshsig.SshsigRefused):
        return ""


def _addresses(value: bytes) -> list[str]:
    """Return every e-mail address that an author or committer line could be read to give."""
    return [_clean(text) for text in re.findall(rb"<([^<>]*)>", value) or [value]]


def _clean(address: bytes) -> str:
    return address.decode("utf-8", "backslashreplace").strip().casefold()[:_MAX_ADDRESS]
