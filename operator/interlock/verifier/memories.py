"""What jobs leave to later ones: bytes that nobody here looks into, each content's for itself.

The verifier says what a memory is about, by the digest of an agent's content. A job that was taken
over could leave lies behind about that content alone, of which it could have lied anyway; the next
content of the same agent hears none of them. Whoever recalls one checks that it has the right form.
"""

from collections import OrderedDict

MAX_BYTES = 64 * 1024 * 1024


class Memories:
    """One value a content; what was not used for longest is forgotten first."""

    def __init__(self, most: int = MAX_BYTES) -> None:
        self._most = most
        self._values: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0

    def recall(self, about: str) -> bytes:
        """Return what was left about a content, empty where nothing is known."""
        if about in self._values:
            self._values.move_to_end(about)
        return self._values.get(about, b"")

    def keep(self, about: str, value: bytes) -> None:
        """Remember a value in place of the last."""
        self._bytes += len(value) - len(self._values.pop(about, b""))
        self._values[about] = value
        while self._bytes > self._most:
            _, gone = self._values.popitem(last=False)
            self._bytes -= len(gone)
