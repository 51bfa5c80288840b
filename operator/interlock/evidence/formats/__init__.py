"""What each file of a model is, by its bytes, in the same pass that hashes them.

A model's loader runs what a pickle says, so a model is judged before anybody loads it: formats by
magic bytes and never by suffix, archives and compressed streams from within, nothing executed,
nothing written to disk, memory and time bounded whatever the bytes say.

    inspector = inspect(path)
    for chunk in chunks: inspector.feed(chunk)
    findings = inspector.close()

One inspector belongs to one file and is fed in order, by one thread at a time; several of them
may work at once. `content` makes one answer of all files' findings.
"""

from interlock.evidence.formats.findings import FileFindings, content
from interlock.evidence.formats.inspector import Inspector, inspect

__all__ = ["FileFindings", "Inspector", "content", "inspect"]
