"""What a verdict and an approval stand on: the policy in force, and what serves now.

Both are read with the code of the verifier and of the controller, so that a laptop and the
cluster cannot disagree about how.
"""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from interlock.actions.parse import Parser
from interlock.api import names
from interlock.api.config import Config
from interlock.api.facts import Unresolved
from interlock.api.kinds.base import Model
from interlock.api.observed import Observed
from interlock.audit.records import Keyring
from interlock.cli.exits import BadInput, Failed
from interlock.cli.kubectl import Kubectl, Object, collection
from interlock.cluster.cache import Cache, Key
from interlock.decide import view
from interlock.policy import Policy
from interlock.policy.parse import parse
from interlock.verifier.governance import Governance

RECORDS = {
    "AgentRevision": "agentrevisions",
    "GateDecision": "gatedecisions",
    "AgentTransition": "agenttransitions",
}
KUBE_PUBLIC = Model, base64
