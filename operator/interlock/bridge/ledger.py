"""refs/approvals as the bridge keeps it: what it wrote before, and how it adds to it.

The bridge remembers nothing: what it signed is in git, over its own signature, and a file that
somebody else put there tells it nothing. Files are added to the newest tip, never taken away.
"""

import base64
import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime

from interlock.bridge.acceptance import Recorded
from interlock.evidence import approvals, sshsig
from interlock.evidence.git import GitRefused, GitUnavailable, Mirror

MAX_TRIES = 5
"""How often a push is tried again after somebody else's."""
RESERVED = 16
"""Files of the 64 that are kept free for words that take something back."""
MAX_FILES = 4 * approvals.MAX_FILES
"""Files of one ref that are looked at, and up to which a no is added: beyond 64 the verifier counts
no approval at all, so that who fills a ref keeps nobody's no out."""
_WHO = "interlock-forge-bridge <forge-bridge@approvals.invalid>"


class Ledger(Mirror):
    """A mirror of an approvals repository that also pushes."""

    async def recorded(self, url: str, content: str, fingerprint: str) -> list[Recorded]:
        """Return the words on a content that the key of this fingerprint signed."""
        _, known = await self._fetched(url, approvals.ref_of(content))
        entries = {one.sha: one for tip in known for one in await self.tree(tip)}
        files = await self.blobs([*entries.values()][:MAX_FILES], approvals.MAX_BYTES)
        found = (_recorded(data, content, fingerprint) for data in files if isinstance(data, bytes))
        return [one for one in found if one]

    async def add(
        self, url: str, content: str, files: Mapping[str, bytes], *, room: int, now: datetime
    ) -> str:
        """Add files to the flat tree of a content's ref, keeping all that is there or was.

        Somebody else's push in between is no loss: the files are added to theirs. Returns the
        commit. Raises GitRefused, GitUnavailable.
        """
        ref = approvals.ref_of(content)
        for _ in range(MAX_TRIES):
            old, known = await self._fetched(url, ref)
            commit = await self._commit(known, files, room, now)
            why = await self._push(url, ref, old, commit)
            if not why:
                return commit
            if (await self._fetched(url, ref))[0] == old:
                raise GitUnavailable(f"{url} did not take the reviews: {why}")
        raise GitUnavailable(f"{url}: others pushed to {ref} {MAX_TRIES} times in between")

    async def _fetched(self, url: str, ref: str) -> tuple[str, list[str]]:
        """Return the server's tip of a ref, empty for none, and it with the last that we took.

        These differ where the server's lost a file. Whoever deletes files must not keep us from
        writing a no, nor make us forget what is to be taken back.
        """
        fetched = await self.fetch(url, {ref: ref})
        tip = fetched.tips[ref] or ""
        if ref not in fetched.refused:
            return tip, [tip] if tip else []
        aside = f"refs/aside/{secrets.token_hex(8)}"
        now = (await self.fetch(url, {ref: aside})).tips[aside] or ""
        await self._discard([aside])
        return now, [each for each in (now, tip) if each]

    async def _push(self, url: str, ref: str, old: str, commit: str) -> str:
        """Return why the server did not take it, or nothing."""
        flags = ("--quiet", "--no-verify", f"--force-with-lease={ref}:{old}")
        words = ("push", *flags, "--end-of-options", url, f"{commit}:{ref}")
        try:
            await self._git.network(url, *words)
        except (GitUnavailable, GitRefused) as error:
            return str(error).removeprefix(f"{url} could not be fetched: ")
        return ""

    async def _commit(
        self, known: Sequence[str], files: Mapping[str, bytes], room: int, now: datetime
    ) -> str:
        there = await self._entries(known)
        if len(there) + len(files) > room:
            raise GitRefused(
                f"there are {len(there)} approvals of this content, and no more than {room} are "
                "written. Change the content, so that it gets a ref of its own."
            )
        lines = [head + b"\t" + name for name, head in there.items()]
        for name, data in files.items():
            blob = await self._made(data, "blob")
            lines.append(f"100644 blob {blob}\t{name}".encode())
        listed = b"".join(line + b"\0" for line in lines)
        tree = (await self._git.output("mktree", "-z", stdin=listed)).decode().strip()
        who = f"{_WHO} {int(now.timestamp())} +0000"
        parents = "".join(f"parent {each}\n" for each in known)
        body = f"tree {tree}\n{parents}author {who}\ncommitter {who}\n\nAdd reviews\n"
        return await self._made(body.encode(), "commit")

    async def _entries(self, known: Sequence[str]) -> dict[bytes, bytes]:
        """Return name to mode, kind and id of all entries, as git has them: also odd ones."""
        found: dict[bytes, bytes] = {}
        for tip in known:
            listed = await self._git.output("ls-tree", "-z", tip)
            for line in listed.split(b"\0")[:-1]:
                head, _, name = line.partition(b"\t")
                if found.setdefault(name, head) != head:
                    found[name + b"." + head[-8:]] = head
        return found

    async def _made(self, data: bytes, kind: str) -> str:
        words = ("hash-object", "-t", kind, "-w", "--stdin")
        return (await self._git.output(*words, stdin=data)).decode().strip()


def file_name(person: str, nonce: str) -> str:
    """Return a name for a file: readers ignore it, and nobody can take it beforehand."""
    return f"{person}.{nonce}.{secrets.token_hex(4)}.dsse.json"


def _recorded(data: bytes, content: str, fingerprint: str) -> Recorded | None:
    """Return what we wrote; None for whatever our key did not sign about this content."""
    try:
        found = json.loads(data)
        payload = base64.b64decode(found["payload"], validate=True)
        armored = base64.b64decode(found["signatures"][0]["sig"], validate=True).decode("ascii")
        key = sshsig.verify(armored, approvals.pae(payload), approvals.FORGE_NAMESPACE)
        told = json.loads(payload)
        if key != fingerprint or told["subject"][0]["digest"]["sha256"] != content:
            return None
        word = told["predicate"]
        at = datetime.fromisoformat(word["notBefore"])
        return Recorded(word["forge"]["account"], word["nonce"], word["decision"], at)
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
