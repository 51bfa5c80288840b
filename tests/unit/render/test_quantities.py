"""Amounts come out in the form in which the API server gives them back."""

import pytest

from interlock.render.quantities import cpu, kibibytes, memory, millicores


@pytest.mark.parametrize(("given", "canonical"), [("1500m", "1500m"), ("2000m", "2"), ("3", "3")])
def test_cpu_is_canonical(given: str, canonical: str) -> None:
    assert cpu(millicores(given)) == canonical


@pytest.mark.parametrize(
    ("given", "canonical"),
    [
        ("1Ki", "1Ki"),
        ("1024Ki", "1Mi"),
        ("1025Ki", "1025Ki"),
        ("2048Gi", "2Ti"),
        ("256Mi", "256Mi"),
    ],
)
def test_memory_is_canonical(given: str, canonical: str) -> None:
    assert memory(kibibytes(given)) == canonical


def test_nothing_is_zero() -> None:
    assert (cpu(0), memory(0)) == ("0", "0")
