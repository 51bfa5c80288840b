"""Credentials for git, handed over so that no command line, log or second host sees them."""

import base64
import stat
from pathlib import Path
from urllib.parse import urlsplit

from interlock.api.config import Git
from interlock.evidence.gitobjects import GitRefused, GitUnavailable

MAX_TOKEN = 4096


def credentials(access: Git | None, url: str) -> dict[str, str]:
    """Return credentials and CA as environment: no command line shows them, no file of ours."""
    settings: dict[str, str] = {}
    if access and access.ca_file:
        settings["http.sslCAInfo"] = str(access.ca_file)
    if access and access.token_file:
        token = base64.b64encode(_token(access.token_file)).decode()
        parts = urlsplit(url)
        scope = f"{parts.scheme}://{parts.netloc}/"
        settings[f"http.{scope}.extraHeader"] = f"Authorization: Basic {token}"
    pairs = {"GIT_CONFIG_COUNT": str(len(settings))} if settings else {}
    for n, (key, value) in enumerate(settings.items()):
        pairs |= {f"GIT_CONFIG_KEY_{n}": key, f"GIT_CONFIG_VALUE_{n}": value}
    return pairs


def _token(path: Path) -> bytes:
    try:
        info = path.stat()
        if not stat.S_ISREG(info.st_mode) or info.st_size > MAX_TOKEN:
            raise GitRefused(f"the token file {path} is not a small plain file")
        pair = path.read_bytes().strip()
    except OSError as error:
        raise GitUnavailable(f"the token file {path} cannot be read: {error.strerror}") from None
    if b":" not in pair:
        raise GitRefused(f"the token file {path} is not of the form user:token")
    return pair
