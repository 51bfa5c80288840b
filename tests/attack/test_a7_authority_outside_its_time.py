"""Each authority is believed in its own time, and never in another's.

CVE-2026-24122, CVE-2026-54787: certificates and keys counted after their end; and the sigstore
library tries every key that it has where the one that is named is not there.
"""

import datetime as dt
from dataclasses import replace

import pytest

from interlock.evidence.sigstore import Refusal, SigstoreVerifier
from interlock_sandbox.sigstore import Instance, LogVersion, Recipe, Window
from interlock_sandbox.sigstore.trust import Role
from support import signed

NOW = signed.now()
DAY, MINUTE = dt.timedelta(days=1), dt.timedelta(minutes=1)
NEW, OLD = signed.instance(), Instance.create("old.example")
PAYLOAD = signed.image_statement()
ROLES: tuple[Role, ...] = ("ca", "ct", "log")
_OLD = OLD.authorities
BY_OLD = {
    "ca": Recipe(ca=_OLD.ca),
    "ct": Recipe(ct=_OLD.ct),
    "log": Recipe(log=_OLD.log),
    "tsa": Recipe(tsa=_OLD.tsa, log_version=LogVersion.V2),
}


def code(recipe: Recipe, root: bytes, of: Instance = NEW) -> str:
    verifier = SigstoreVerifier(root)
    answer = verifier.verify(of.sign_statement(PAYLOAD, recipe), signed.now())
    return answer.code if isinstance(answer, Refusal) else "Verified"


def both(window: Window) -> bytes:
    retired = OLD.trusted_root(dict.fromkeys((*ROLES, "tsa"), window))
    return signed.joined(NEW.trusted_root(), retired)


@pytest.mark.parametrize("role", BY_OLD)
def test_a_retired_authority_signs_beside_serving_ones(role: str) -> None:
    """Everybody else who signs here serves; none lends the retired one its time."""
    root = both(Window(NOW - 30 * DAY, NOW - DAY))
    assert code(replace(BY_OLD[role], time=NOW), root) in {"OutsideTrust", "BadSignature"} | (
        {"BadTimestamp"} if role == "tsa" else set()
    )
    assert code(replace(BY_OLD[role], time=NOW - 2 * DAY), root) == "Verified"


@pytest.mark.parametrize("role", BY_OLD)
def test_an_authority_signs_before_its_time(role: str) -> None:
    root = both(Window(NOW - DAY))
    assert code(replace(BY_OLD[role], time=NOW - 2 * DAY), root) != "Verified"
    assert code(replace(BY_OLD[role], time=NOW), root) == "Verified"


@pytest.mark.parametrize("role", ["ca", "ct"])
def test_what_was_issued_before_the_window_and_used_within_it(role: Role) -> None:
    """A leaf lives for minutes, and who issued it must have been trusted when it did."""
    issued, used = NOW - 8 * MINUTE, NOW
    recipe = Recipe(time=issued, integrated_time=used)
    opened = {role: Window(NOW - 4 * MINUTE)}
    assert code(recipe, NEW.trusted_root()) == "Verified"
    assert code(recipe, NEW.trusted_root(opened)) == "OutsideTrust"


def test_a_root_certificate_that_ended_before_its_intermediate() -> None:
    """The library takes the intermediate for an anchor, and looks no further up."""
    ended = Instance.create("ended.example", end=NOW - DAY, intermediate_end=NOW + DAY)
    root = ended.trusted_root({"log": Window(NOW - DAY), "ct": Window(NOW - DAY)})
    assert code(Recipe(time=NOW), root, ended) == "OutsideTrust"
    assert code(Recipe(time=NOW - 2 * DAY), ended.trusted_root(), ended) == "Verified"


def test_a_certificate_that_has_not_begun() -> None:
    """The window was opened too early; the chain below it says since when it is valid."""
    young = Instance.create("young.example", start=NOW - DAY)
    early = Window(NOW - 9 * DAY)
    root = young.trusted_root(dict.fromkeys((*ROLES, "tsa"), early))
    assert code(Recipe(time=NOW - 2 * DAY), root, young) == "OutsideTrust"
    assert code(Recipe(time=NOW), root, young) == "Verified"


def test_a_log_that_names_itself_as_nobody_is_not_looked_for_among_all() -> None:
    unknown = b"\7" * 32
    assert code(Recipe(log_id=unknown), NEW.trusted_root()) == "OutsideTrust"
    assert code(Recipe(sct_log_id=unknown), NEW.trusted_root()) == "OutsideTrust"


def test_a_log_that_names_itself_as_another() -> None:
    root = both(Window(NOW - DAY))
    assert code(Recipe(log=_OLD.log, log_id=NEW.authorities.log.key.id), root) != "Verified"
    assert code(Recipe(ct=_OLD.ct, sct_log_id=NEW.authorities.ct.id), root) != "Verified"


def test_the_checkpoint_is_of_the_log_that_made_it() -> None:
    root = both(Window(NOW - DAY))
    recipe = Recipe(log=_OLD.log)
    assert code(recipe, root) == "Verified"
    borrowed = replace(recipe, checkpoint_origin=NEW.authorities.log.origin)
    assert code(borrowed, root) == "BadCheckpoint"
