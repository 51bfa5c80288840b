"""Sandboxes for tests: bringing one up takes seconds, so a session shares it."""

from collections.abc import Callable, Iterator

import pytest

from interlock_sandbox.sandbox import Sandbox


def shared_sandbox(*parts: str) -> Callable[..., Iterator[Sandbox]]:
    """A session-scoped fixture; assign it to a name in a conftest."""

    @pytest.fixture(scope="session")
    def sandbox() -> Iterator[Sandbox]:
        with Sandbox(parts) as up:
            yield up

    return sandbox
