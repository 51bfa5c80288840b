"""Remembers where each ref was seen, for longer than mirrors and AgentRepositories live.

A mirror is a cache: a syncer that starts anew would take whatever history it is shown. So the tip
of each ref lies in a ConfigMap of our own namespace, one a team namespace. What is remembered can
only refuse; it never makes anything trusted. With it lies the rewriting that a person let in: once
taken, the same word lets nobody move the ref back to it.
"""

import json
from collections.abc import Mapping
from typing import NamedTuple

from interlock.api import digests, names
from interlock.api.kinds.repository import AgentRepositorySpec
from interlock.cluster.client import Client, Conflict
from interlock.evidence.gitobjects import GitRefused, check_commit

MAX_TIPS = 500
"""Refs of one namespace; each takes up to a kilobyte of an object that holds a megabyte."""
_KEY = 40


class Tip(NamedTuple):
    """What is remembered of a ref."""

    commit: str = ""
    """Where it was when last taken."""
    rewritten: str = ""
    """The commit that a person named and that was taken: its permission is used up."""


async def seen(client: Client, namespace: str, spec: AgentRepositorySpec) -> Tip:
    """Return what is remembered of a ref. Raises ValueError."""
    return _tip((await _all(client, namespace)).get(_key(spec)), namespace, spec)


def _tip(text: str | None, namespace: str, spec: AgentRepositorySpec) -> Tip:
    if text is None:
        return Tip()
    try:
        said = json.loads(text)
        tip = Tip(str(said["commit"]), str(said.get("rewritten", "")))
        check_commit(tip.commit)
    except (ValueError, TypeError, KeyError, GitRefused):
        raise ValueError(
            f"{_place(namespace)} says no commit for {spec.url} {spec.ref}; remove its key "
            f"{_key(spec)} if you know that the ref is where it was"
        ) from None
    return tip


async def keep(client: Client, namespace: str, spec: AgentRepositorySpec, commit: str) -> None:
    """Remember where a ref is now. Raises ValueError, ClusterError."""
    known, key = await _all(client, namespace), _key(spec)
    said = {"url": spec.url, "ref": spec.ref, "commit": commit}
    used = _tip(known.get(key), namespace, spec).rewritten
    if rewritten := commit if commit == spec.rewritten_to else used:
        said["rewritten"] = rewritten
    text = digests.canonical(said).decode()
    if known.get(key) == text:
        return
    if key not in known and len(known) >= MAX_TIPS:
        raise ValueError(
            f"{_place(namespace)} remembers {MAX_TIPS} refs already; remove those of repositories "
            "that are gone"
        )
    name = names.sync_tips(namespace)
    meta = {"name": name, "namespace": names.SYSTEM_NAMESPACE}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {key: text}}
    try:
        await client.create(body)
    except Conflict:
        patch = {"data": {key: text}}
        await client.merge_patch("ConfigMap", names.SYSTEM_NAMESPACE, name, patch)


async def _all(client: Client, namespace: str) -> Mapping[str, str]:
    name = names.sync_tips(namespace)
    found = await client.get("ConfigMap", names.SYSTEM_NAMESPACE, name)
    return (found or {}).get("data") or {}


def _place(namespace: str) -> str:
    return f"ConfigMap {names.SYSTEM_NAMESPACE}/{names.sync_tips(namespace)}"


def _key(spec: AgentRepositorySpec) -> str:
    return digests.sha256(f"{spec.url}\n{spec.ref}".encode())[:_KEY]
