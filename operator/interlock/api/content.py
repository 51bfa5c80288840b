"""What the files of a model are, by their bytes: formats, imports of pickles, code that would run.

These are findings of our own reading, not of anybody's statement. They are made of bytes that are
never loaded, and judged by the gate `model-content`.
"""

from typing import Annotated

from pydantic import Field

from interlock.api.kinds.base import Model

MAX_NAMED = 64
"""Entries of a list that facts keep."""


class Pickle(Model):
    """A pickle stream, wherever it was found: as a file, in an archive, compressed."""

    path: str
    """The file's path; `!/` leads into an archive or a compressed stream."""
    imports: Annotated[list[str], Field(max_length=MAX_NAMED)] = []
    """`module.name` of all that loading it would import."""
    fault: str = ""
    """Why the list of imports cannot be trusted to be whole; empty where it can."""


class Fault(Model):
    """A file that is not what a loader may be given, and why."""

    path: str
    format: str
    why: str


class Content(Model):
    """All files of one model."""

    formats: dict[str, int] = {}
    """Format to number of files, of those that are whole and plain."""
    first: dict[str, str] = {}
    """Format to the path of its first file, so that a message can name one."""
    faults: Annotated[list[Fault], Field(max_length=MAX_NAMED)] = []
    pickles: Annotated[list[Pickle], Field(max_length=MAX_NAMED)] = []
    loaders: Annotated[list[str], Field(max_length=MAX_NAMED)] = []
    """Modules that `MLmodel` has a loader import."""
    code: Annotated[list[str], Field(max_length=MAX_NAMED)] = []
    """Files of the model that are Python code, or that `MLmodel` puts on the import path."""
    loose: Annotated[list[str], Field(max_length=MAX_NAMED)] = []
    """Requirements that do not pin one version with its hash."""
    more: int = 0
    """Entries that the lists above had no room for: never none of anybody's business."""
