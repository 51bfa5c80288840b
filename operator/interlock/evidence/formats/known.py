"""What a reader returns of a file that is what it claims to be."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Known:
    """A format, and how long the whole file must be where the reader did not read to its end."""

    format: str
    sizes: tuple[int, ...] = ()


UNKNOWN = Known("unknown")
