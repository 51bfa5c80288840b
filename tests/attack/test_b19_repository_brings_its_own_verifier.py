"""A repository's own configuration says which program checks its signatures.

`gpg.ssh.program`, filters and hooks of a repository are those of whoever made it. Nothing of them
comes with a fetch, and no program is asked whether a signature holds.
"""

from pathlib import Path

from interlock.evidence import authors
from interlock.evidence.git import Mirror
from support.gitrepos import MAIN, Repo, mirror
from support.policies import fingerprint
from support.sshkeys import write_private_key


def says_good(tmp_path: Path) -> tuple[Path, Path]:
    """A program that finds every signature good, and the mark that it leaves."""
    ran = tmp_path / "RAN"
    script = tmp_path / "always-good"
    script.write_text(f'#!/bin/sh\ntouch {ran}\necho Good "git" signature for quality-1 with key\n')
    script.chmod(0o755)
    return script, ran


async def test_what_the_remote_configures_does_not_come(
    repo: Repo, mine: Mirror, tmp_path: Path
) -> None:
    script, ran = says_good(tmp_path)
    for key in ("gpg.ssh.program", "core.fsmonitor", "filter.x.smudge", "core.sshCommand"):
        repo.git("config", key, str(script))
    commit = repo.commit({".gitattributes": b"* filter=x diff=x", "f": b"1"})
    await mine.fetch(repo.url, {MAIN: MAIN})
    assert await mine.read(commit, "f") == b"1"
    assert str(script) not in (tmp_path / "mirror.git" / "config").read_text()
    assert not ran.exists()


async def test_a_verifier_in_our_own_mirror_is_not_asked(
    repo: Repo, mine: Mirror, tmp_path: Path
) -> None:
    """Even where somebody could write there: the key that a signature holds with is what counts."""
    script, ran = says_good(tmp_path)
    forged = b"-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----"
    repo.commit({"f": b"1"}, key=write_private_key("sre-1", tmp_path / "key"))
    signed = await fetched(mine, repo)
    raw = signed.raw
    start, end = raw.index(b"gpgsig"), raw.index(b"-----END SSH SIGNATURE-----") + 27
    fake = raw[:start] + b"gpgsig " + forged.replace(b"\n", b"\n ") + raw[end:]
    config = tmp_path / "mirror.git" / "config"
    config.write_text(
        f'{config.read_text()}[gpg]\n\tformat = ssh\n[gpg "ssh"]\n\tprogram = {script}\n'
    )
    repo.git(
        "update-ref", MAIN, repo.git("hash-object", "-w", "-t", "commit", "--stdin", stdin=fake)
    )
    again = mirror(tmp_path / "mirror.git")
    await again.fetch(repo.url, {"refs/heads/main": "refs/heads/other"})
    commit = await again.tip("refs/heads/other")
    assert commit
    (one,) = await again.history(commit, "f")
    assert ("signer", fingerprint("sre-1")) in hands(signed)
    assert not any(kind == "signer" for kind, _ in hands(one))
    assert not ran.exists()


async def fetched(mine: Mirror, repo: Repo) -> authors.CommitInfo:
    await mine.fetch(repo.url, {MAIN: MAIN})
    commit = await mine.tip(MAIN)
    assert commit
    (one,) = await mine.history(commit, "f")
    return one


def hands(commit: authors.CommitInfo) -> set[tuple[str, str]]:
    return {(one.kind, one.id) for one in authors.involved(commit)}
