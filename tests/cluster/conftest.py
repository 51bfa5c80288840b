"""A real API server with its controllers and a kwok node, one for all tests of the session."""

import pytest

from interlock.api import names
from interlock_sandbox.install import install
from interlock_sandbox.sandbox import Sandbox
from support.cluster import shared_sandbox
from support.kube import Api

cluster = shared_sandbox("kubernetes")


@pytest.fixture(scope="session")
def installed(cluster: Sandbox) -> Sandbox:
    """The cluster with Interlock's kinds, roles and policies in force, and nothing running."""
    install(cluster.kubeconfig)
    return cluster


@pytest.fixture(scope="session")
def admin(installed: Sandbox) -> Api:
    """A cluster administrator (`system:masters`)."""
    return Api.admin(installed.kubeconfig)


@pytest.fixture(scope="session")
def controller(admin: Api) -> Api:
    """The controller, by a real token of its account."""
    return admin.account(names.SYSTEM_NAMESPACE, names.CONTROLLER_ACCOUNT)


@pytest.fixture(scope="session")
def syncer(admin: Api) -> Api:
    """The git syncer, by a real token of its account."""
    return admin.account(names.SYSTEM_NAMESPACE, names.SYNCER_ACCOUNT)
