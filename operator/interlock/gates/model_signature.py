"""The model's files are, name by name and byte by byte, those that a trainer signed.

The signature is an OMS v1.0 bundle. A file too many, too few, renamed or changed fails, whatever
else is signed. Attacks refused: swapped bytes, extra file, renamed file, wrong identity, wrong
issuer, signature of another model, unsigned.
"""

from interlock.api.facts import OMS, Evidence, Facts, ModelSignature
from interlock.api.reasons import Reason
from interlock.api.values import GateResult
from interlock.gates.answers import day, digits, failed, moment, not_applicable, passed, some
from interlock.gates.signatures import counts, none_counts, of_type
from interlock.policy.model import Policy

NAME = "model-signature"
_REMEDY = "Register and sign the model again, or restore the file."


def evaluate(facts: Facts, policy: Policy) -> GateResult:
    """Judge the OMS evidence of the spec's model."""
    model = facts.subject.spec.get("model")
    if not model:
        return not_applicable(NAME, "the agent has no model")
    found = of_type(facts, OMS)
    trusted = [each for each in found if counts(each, policy)]
    whole = [each for each in trusted if each.model and each.model.same]
    if whole:
        return _passed(max(whole, key=lambda each: moment(each.at)))
    if trusted:
        return _differs(max(trusted, key=lambda each: moment(each.at)))
    what = f"model {model['name']} version {model.get('version', '-')}"
    return none_counts(NAME, found, facts, policy, OMS, what)


def _passed(evidence: Evidence) -> GateResult:
    files = evidence.model.files if evidence.model else 0
    message = f"{files} files, signed by {evidence.identity}, {day(moment(evidence.at))}"
    return passed(NAME, message, evidence=(evidence.bundle,))


def _differs(evidence: Evidence) -> GateResult:
    compared = evidence.model or ModelSignature(files=0)
    if compared.differs:
        file = compared.differs[0]
        more = f" (and {len(compared.differs) - 1} more)" if len(compared.differs) > 1 else ""
        fact = (
            f"file {file.path} is {digits(file.got)}, the signature says {digits(file.expected)}"
            f"{more}; the registry's bytes changed after signing"
        )
        got, expected = f"{file.path} {file.got}", f"{file.path} {file.expected}"
    elif compared.missing or compared.unsigned:
        fact, got, expected = _names(compared)
    else:
        fact, got, expected = "the signature names no file", "no file", "every file of the model"
    return failed(
        NAME,
        Reason.SIGNATURE_MISMATCH,
        f"{fact}. {_REMEDY}",
        got=got,
        expected=expected,
        unblock=_REMEDY,
    )


def _names(compared: ModelSignature) -> tuple[str, str, str]:
    missing, unsigned = some(compared.missing), some(compared.unsigned)
    parts = [f"signed but not there: {missing}"] if missing else []
    parts += [f"there but not signed: {unsigned}"] if unsigned else []
    return "; ".join(parts), unsigned or "nothing more", missing or "nothing more"
