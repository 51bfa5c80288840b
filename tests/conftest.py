"""Where everything must be tested, a test that was skipped did not pass."""

import os
from collections.abc import Generator

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Under `CI` the machine has all that tests need: a skip there hides something."""
    report = yield
    if os.environ.get("CI") and report.skipped:
        report.outcome = "failed"
    return report
