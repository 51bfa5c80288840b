"""Content to Kubernetes objects: pure functions, so that the same content gives the same bytes.

What is rendered is kept in the AgentRevision and never rendered again for it. Whoever changes what
comes out for a content that already runs somewhere writes a new renderer version.
"""

RENDERER = "v2"


class Unrenderable(ValueError):
    """A content that no safe object can be made from; the message says what to change."""
