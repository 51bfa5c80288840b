"""A whole Sigstore on one machine: certificate authority, logs, timestamps, identities.

Tests and demos need signatures that the unmodified clients accept, without a network, and attacks
that are wrong in exactly one respect and correctly signed in every other. Both need the keys of
all authorities, so the authorities are here. Nothing of it is fit to be trusted outside a sandbox:
it signs whatever it is asked to sign.
"""

from interlock_sandbox.sigstore.bundle import LogVersion, ManagedKey, Recipe, statement
from interlock_sandbox.sigstore.certificates import LeafKey, Sct
from interlock_sandbox.sigstore.identity import identity_token
from interlock_sandbox.sigstore.instance import Instance
from interlock_sandbox.sigstore.trust import Window

__all__ = [
    "Instance",
    "LeafKey",
    "LogVersion",
    "ManagedKey",
    "Recipe",
    "Sct",
    "Window",
    "identity_token",
    "statement",
]
