"""Who votes, and in which role: said before anything is signed, so that no signature is in vain.

The gate asks the same of the signature later; here a person learns what to do instead.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from interlock.api.facts import Involved, Strength
from interlock.cli.exits import Refused
from interlock.cli.manifest import AgentFile
from interlock.cli.pens import Pen
from interlock.policy import Policy, queries
from interlock.policy.model import Person, TierPolicy


def voter_of(policy: Policy, pen: Pen, named: str) -> Person:
    """Return whose key or identity this is. Raises Refused with a sentence."""
    found = pen.person(policy, datetime.now(UTC))
    what, option = ("key", "--key") if pen.strength == "signed" else ("identity", "--sigstore")
    if found is None:
        raise Refused(
            f"the {what} {pen.owner} belongs to nobody in people.yaml now. Have security add it, "
            f"or name another with {option}."
        )
    if named and named != found.id:
        raise Refused(
            f"the {what} {pen.owner} is {found.id}'s, not {named}'s. Name yours: {option}."
        )
    return found


def tier_of(policy: Policy, agent: AgentFile, environment: str) -> TierPolicy:
    """Return what the agent's tier asks for. `environment` is what the person expects, or empty.

    Raises Refused where governance does not know the place, or it is another than expected.
    """
    here = queries.environment(policy, agent.namespace)
    tier = queries.tier_policy(policy, agent.namespace, agent.spec.risk_tier)
    if tier is None:
        raise Refused(
            f"governance does not know namespace {agent.namespace} with tier "
            f"{agent.spec.risk_tier}. Ask security to add it."
        )
    if environment and environment != here:
        raise Refused(
            f"{agent.path} is for namespace {agent.namespace}, whose environment is {here}, not "
            f"{environment}. Each environment has a file of its own; name that one."
        )
    return tier


def check_strength(tier: TierPolicy, agent: AgentFile, strength: Strength) -> None:
    """Refuse an approval of a kind that the tier does not count."""
    if strength not in tier.strengths:
        how = "with an SSH key: leave out --sigstore" if strength == "sigstore" else "in the forge"
        raise Refused(
            f"tier {agent.spec.risk_tier} counts approvals that are {', '.join(tier.strengths)}, "
            f"not {strength}. Approve {how}."
        )


def role_of(tier: TierPolicy, person: Person, named: str, lifting: Sequence[str] = ()) -> str:
    """Return the role in which a person may approve. Raises Refused.

    `lifting` are roles that may lift the freezes that the approval is to lift.
    """
    asked = sorted({slot.role for slot in tier.quorum} | set(lifting))
    if not tier.quorum:
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


def objecting(tier: TierPolicy, person: Person, named: str) -> str:
    """Return the role in which a person says no: any of theirs, for any of them may."""
    if named and named not in person.roles:
        held = ", ".join(person.roles) or "none"
        raise Refused(f"{person.id} does not hold the role {named}; they hold {held}.")
    if not person.roles:
        raise Refused(f"{person.id} holds no role in people.yaml, so their word counts nothing.")
    asked = {slot.role for slot in tier.quorum}
    return named or next((role for role in person.roles if role in asked), person.roles[0])


def lifting(policy: Policy, agent: AgentFile, person: Person, freezes: Sequence[str]) -> list[str]:
    """Return the roles by which a person may lift these freezes. Raises Refused."""
    here = queries.environment(policy, agent.namespace)
    known = {freeze.name: freeze for freeze in policy.freezes.of(here, agent.namespace)}
    for name in freezes:
        if name not in known:
            listed = ", ".join(sorted(known)) or "there is none"
            raise Refused(f"no freeze {name} concerns {agent.namespace} ({listed}).")
        role = known[name].override_role
        if role not in person.roles:
            who = f"a member of {role}" if role else "nobody"
            raise Refused(f"the freeze {name} may be lifted by {who}; {person.id} may not.")
    return [known[name].override_role for name in freezes]


def check_hands(policy: Policy, person: Person, role: str, people: Sequence[Involved]) -> None:
    """Refuse an approval by somebody whose hands were on the change."""
    theirs = (queries.person_involved(policy, one) for one in people)
    if any(found and found.id == person.id for found in theirs):
        raise Refused(
            f"{person.id} took part in this change, and nobody approves their own work. Ask "
            f"another member of {role}."
        )
