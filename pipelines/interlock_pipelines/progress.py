"""How work that takes minutes says how far it is, to whoever waits for it, or to nobody."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

Told = Callable[[int], object]
"""Is told how many bytes more are done."""
Progress = Callable[[str, int], AbstractContextManager[Told]]
"""Begins a piece of work: what it is called, and how many bytes it has."""


def nobody(_: int) -> None:
    """Hear nothing."""


@contextmanager
def silent(_label: str, _size: int) -> Iterator[Told]:
    """Show nothing."""
    yield nobody
