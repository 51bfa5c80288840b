"""Servers that answer as GitHub, GitLab and Gitea document it: shapes, pages, headers, refusals.

They are not the programs. What only the programs show is tried on a real Gitea (tests/e2e); what
was not tried live stands in docs/forges.md.
"""

from support.forges.gitea import gitea
from support.forges.github import github
from support.forges.gitlab import gitlab
from support.forges.state import Forge, serving

__all__ = ["Forge", "gitea", "github", "gitlab", "serving"]
