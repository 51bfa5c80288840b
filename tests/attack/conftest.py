"""What many attacks begin with: a repository of somebody else's, and our mirror of it."""

from pathlib import Path

import pytest

from interlock.evidence.git import Mirror
from support.gitrepos import Repo, mirror


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo(tmp_path / "remote.git")


@pytest.fixture
def mine(tmp_path: Path) -> Mirror:
    return mirror(tmp_path / "mirror.git")
