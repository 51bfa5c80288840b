"""CPU and memory amounts in the canonical form in which the API server gives them back.

A rendered object that already has that form compares equal with what the cluster stores.
"""

_UNITS = ("Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_KIBI = 1024
_MILLI = 1000


def millicores(quantity: str) -> int:
    """Return a CPU amount such as `250m` or `2` in thousandths of a core."""
    return int(quantity[:-1]) if quantity.endswith("m") else int(quantity) * _MILLI


def kibibytes(quantity: str) -> int:
    """Return a memory amount such as `256Mi` in KiB."""
    return int(quantity[:-2]) * int(_KIBI ** _UNITS.index(quantity[-2:]))


def cpu(amount: int) -> str:
    """Return thousandths of a core as a canonical quantity."""
    return f"{amount}m" if amount % _MILLI else str(amount // _MILLI)


def memory(amount: int) -> str:
    """Return KiB as a canonical quantity: the largest unit that needs no fraction."""
    unit = 0
    while amount and amount % _KIBI == 0 and unit < len(_UNITS) - 1:
        amount, unit = amount // _KIBI, unit + 1
    return f"{amount}{_UNITS[unit]}" if amount else "0"
