"""Who votes, and in which role: said before anything is signed, so that no signature is in vain.

The gate asks the same of the signature later; here a person learns what to do instead.
"""

from datetime import UTC, datetime

from interlock.cli.exits import Refused
from interlock.cli.manifest import AgentFile
from interlock.policy import Policy, queries
from interlock.policy.model import Person


def voter_of(policy: Policy, fingerprint: str, named: str) -> Person:
    """Return whose key this is. Raises Refused with a sentence."""
    found = queries.person_of_key(policy, fingerprint, datetime.now(UTC))
    if found is None:
        raise Refused(
            f"the key {fingerprint} belongs to nobody in people.yaml now. Have security add it, "
            "or name another with --key."
        )
    if named and named != found.id:
        raise Refused(f"the key {fingerprint} is {found.id}'s, not {named}'s. Name yours: --key.")
    return found


def role_of(policy: Policy, agent: AgentFile, person: Person, named: str) -> str:
    """Return the role in which a person may vote on this agent. Raises Refused."""
    tier = queries.tier_policy(policy, agent.namespace, agent.spec.risk_tier)
    if tier is None:
        raise Refused(
            f"governance does not know namespace {agent.namespace} with tier "
            f"{agent.spec.risk_tier}. Ask security to add it."
        )
    asked = sorted({slot.role for slot in tier.quorum})
    if not asked:
        raise Refused("this tier asks for no approval, so there is nothing to approve.")
    fitting = [role for role in asked if role in person.roles and named in ("", role)]
    if len(fitting) == 1:
        return fitting[0]
    held = ", ".join(person.roles) or "none"
    if not fitting:
        wanted = f"the role {named}" if named else "one of them"
        raise Refused(
            f"approvals are open to the roles {', '.join(asked)}; {person.id} holds {held}, "
            f"not {wanted}."
        )
    raise Refused(f"{person.id} holds several of the roles: name one with --role ({held}).")
