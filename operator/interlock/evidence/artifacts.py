"""Reads the files that MLflow serves, as a stranger: each is hashed and looked into as it comes.

No identifier of MLflow's is immutable: a model id and its creation time stay while its files are
overwritten. So a digest is used again only where the server itself says that the file is in the
state that was hashed (its ETag, made of time and size), and only for `REHASH` seconds. A registry
that lies there gains nothing: it could as well serve the honest bytes to us alone.

Files are never read in ranges: SHA-256 needs their bytes in order, and a server before a remote
store fetches the whole file for each request.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from urllib.parse import quote, urlencode

from pydantic import TypeAdapter, ValidationError

from interlock.api.digests import ModelFile
from interlock.evidence import formats
from interlock.evidence.hashing import Digester, HashCache, together
from interlock.evidence.http import Blob, Body, Http, SourceRefused
from interlock.evidence.modeltree import MAX_FILES, Tally, Tree, check_path

MAX_FOLDERS = 1_000
MAX_ETAG = 256
REHASH = 3600.0
"""Seconds after which a file is read again, whatever its server says of it."""
_API = "/api/2.0/mlflow-artifacts/artifacts"
_OK, _UNCHANGED = 200, 304


@dataclass(frozen=True, slots=True)
class Entry:
    """What a folder lists."""

    path: str
    is_folder: bool
    size: int
    """As the server claims it: it says what is read first, and nothing more."""


@dataclass(frozen=True, slots=True)
class _Hashed:
    """One file as it was read, and what its server called that state."""

    etag: str
    size: int
    sha256: str
    findings: formats.FileFindings


_HASHED = TypeAdapter(_Hashed)


class Artifacts:
    """The artifact server of one MLflow. Methods raise SourceError."""

    def __init__(self, http: Http, base: str, cache: HashCache) -> None:
        self._http = http
        self._base = base
        self._cache = cache

    async def tree(self, root: str, where: str) -> Tree:
        """Return every file below a folder, hashed from its bytes, and what it is by them."""
        tally = Tally(where)
        listed = [each async for each in self._walk(root, tally)]
        listed.sort(key=lambda each: each.size, reverse=True)  # the longest chain begins first
        found = await together(listed, partial(self._file, root, tally))
        found.sort(key=lambda each: each[0])
        files = tuple(ModelFile(path, each.size, each.sha256) for path, each in found)
        return Tree(files, formats.content(each.findings for _, each in found))

    async def blobs(self, wanted: Mapping[str, str]) -> list[Blob]:
        """Return small files by location; `wanted` is location to path."""

        async def read(location: str) -> Blob:
            """Read one."""
            return await self._http.blob(self._url(wanted[location]), location)

        return sorted(await together(wanted, read), key=lambda each: each.location)

    async def folder(self, path: str) -> list[Entry]:
        """Return what a folder lists. Raises NotFound where there is none."""
        said = await self._http.json(f"{self._base}{_API}?{urlencode({'path': path})}")
        files = said.get("files", [])
        if not isinstance(files, list) or len(files) > MAX_FILES:
            raise SourceRefused(f"{self._http.name}: {path} is not a list of files.")
        return [_entry(each, f"{self._http.name}: {path}") for each in files]

    async def _walk(self, root: str, tally: Tally) -> AsyncGenerator[Entry, None]:
        """Yield each file below `root`, its path relative to it."""
        folders, seen = [""], 1
        while folders:
            folder = folders.pop()
            for entry in await self.folder(f"{root}/{folder}".rstrip("/")):
                path = f"{folder}/{entry.path}".lstrip("/")
                if not entry.is_folder:
                    tally.expect(path)
                    yield replace(entry, path=path)
                    continue
                check_path(path, tally.where)
                folders.append(path)
                seen += 1
                if seen > MAX_FOLDERS:
                    raise SourceRefused(f"{tally.where}: more than {MAX_FOLDERS} folders.")

    async def _file(self, root: str, tally: Tally, entry: Entry) -> tuple[str, _Hashed]:
        """Read one file, or take what it was if its server says that it still is."""
        url = self._url(f"{root}/{entry.path}")
        known = self._known(url, entry.path)
        headers = {"If-None-Match": known.etag} if known else {}
        async with self._http.opened(url, headers) as body:
            if known and _unchanged(body, known):
                tally.read(known.size)
                return entry.path, known
            self._http.expect_ok(body.status, url)
            read = await _read(entry.path, body, tally)
        if read.etag:
            self._cache.put(url, _HASHED.dump_json(read).decode())
        return entry.path, read

    def _known(self, url: str, path: str) -> _Hashed | None:
        text = self._cache.get(url, REHASH)
        try:
            known = _HASHED.validate_json(text) if text else None
        except ValidationError:
            return None
        return known if known and known.findings.path == path else None

    def _url(self, path: str) -> str:
        return f"{self._base}{_API}/{quote(path)}"


async def _read(path: str, body: Body, tally: Tally) -> _Hashed:
    inspector = formats.inspect(path)
    digester = Digester(inspector.feed)
    async for chunk in body.chunks:
        tally.read(len(chunk))
        await digester.update(chunk)
    digest = await digester.hexdigest()
    findings = await asyncio.to_thread(inspector.close)
    return _Hashed(_strong(body.etag), digester.size, digest, findings)


def _unchanged(body: Body, known: _Hashed) -> bool:
    """Whether the server says so: servers that know no conditions send all, under the old ETag."""
    return body.status == _UNCHANGED or (body.status == _OK and body.etag == known.etag)


def _strong(etag: str) -> str:
    """Return an ETag that stands for the very bytes (RFC 9110 section 8.8.1), else nothing."""
    strong = etag.startswith('"') and etag.isprintable() and len(etag) <= MAX_ETAG
    return etag if strong else ""


def _entry(value: object, where: str) -> Entry:
    path = value.get("path") if isinstance(value, dict) else None
    folder = value.get("is_dir", False) if isinstance(value, dict) else None
    if not isinstance(path, str) or not isinstance(folder, bool) or "/" in path:
        raise SourceRefused(f"{where} lists an entry that is neither a file nor a folder.")
    check_path(path, where)
    size = value.get("file_size") if isinstance(value, dict) else None
    return Entry(path, folder, size if isinstance(size, int) else 0)
