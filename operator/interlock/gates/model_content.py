"""What the model's files are: tensors and text by their bytes, and nothing that runs when loaded.

The files were looked at while they were hashed, and none was loaded. What is not on a list is
refused: formats, what pickles import, what `MLmodel` has a loader import. Attacks refused: pickle
under any name and in any archive, a file that is two things at once, code beside the weights,
requirements that mean something else tomorrow.
"""

from collections.abc import Callable

from interlock.api.content import Content, Pickle
from interlock.api.facts import Facts
from interlock.api.reasons import Reason
from interlock.api.values import GateResult
from interlock.gates.answers import failed, not_applicable, passed, some
from interlock.policy import queries
from interlock.policy.evidence import ContentPolicy
from interlock.policy.model import Policy
from interlock.policy.patterns import matches

NAME = "model-content"
_SAVE = "save the model as safetensors, ONNX or GGUF, register and sign it again"


def evaluate(facts: Facts, policy: Policy) -> GateResult:
    """Judge what the files of the spec's model are."""
    if not facts.subject.spec.get("model"):
        return not_applicable(NAME, "the agent has no model")
    content = facts.content
    if content is None or not (content.formats or content.pickles or content.faults):
        return _refused(
            "the model's files were not looked at",
            got="no file",
            expected="every file of the model",
            unblock="register the model's files, and have the gates asked again",
        )
    limits = queries.evidence_of(policy, facts).model_content
    for rule in _RULES:
        if answer := rule(content, limits):
            return answer
    named = ", ".join(f"{count} {name}" for name, count in sorted(content.formats.items()))
    return passed(NAME, named or f"{len(content.pickles)} pickles, whose imports are all allowed")


def _pickles(content: Content, limits: ContentPolicy) -> GateResult | None:
    """Pickles come first: they run."""
    for pickle in content.pickles:
        if why := _wrong(pickle, limits):
            return _refused(
                f"{pickle.path} is a pickle, and {why}",
                got=some(pickle.imports) or "a pickle",
                expected=some(limits.pickle_imports) or "no pickle",
                unblock=_SAVE,
            )
    return None


def _wrong(pickle: Pickle, limits: ContentPolicy) -> str:
    foreign = [each for each in pickle.imports if not _allowed(each, limits.pickle_imports)]
    if foreign:
        return f"loading it imports {some(foreign)}"
    if pickle.fault:
        return f"what loading it does cannot be told: {pickle.fault}"
    return "" if limits.pickle_imports else "policy allows none"


def _allowed(name: str, patterns: list[str]) -> bool:
    return any(matches(each, name) for each in patterns)


def _faults(content: Content, _limits: ContentPolicy) -> GateResult | None:
    if not content.faults:
        return None
    first = content.faults[0]
    more = f" (and {len(content.faults) - 1} more)" if len(content.faults) > 1 else ""
    return _refused(
        f"{first.path} is no {first.format} that a loader may be given: {first.why}{more}",
        got=first.why,
        expected="files that are whole, and one thing only",
        unblock=f"{_SAVE}, without {first.path} if it is not needed",
    )


def _formats(content: Content, limits: ContentPolicy) -> GateResult | None:
    other = sorted(set(content.formats) - set(limits.formats))
    if not other:
        return None
    named = [_counted(content, each) for each in other]
    return _refused(
        f"policy does not allow what the model's files are: {some(named)}",
        got=some(other),
        expected=some(limits.formats) or "no file at all",
        unblock=f"{_SAVE}, or leave these files out",
    )


def _counted(content: Content, format_: str) -> str:
    count = content.formats[format_]
    first = content.first.get(format_, "a file")
    what = "of no format that is known" if format_ == "unknown" else format_
    return f"{first} is {what}" + (f" (and {count - 1} more)" if count > 1 else "")


def _loaders(content: Content, limits: ContentPolicy) -> GateResult | None:
    other = [each for each in content.loaders if each not in limits.loaders]
    if not other:
        return None
    return _refused(
        f"MLmodel has a loader import {some(other)}",
        got=some(other),
        expected=some(limits.loaders) or "no loader",
        unblock="have security add the loader to modelContent.loaders, or log another flavor",
    )


def _code(content: Content, limits: ContentPolicy) -> GateResult | None:
    if limits.code or not content.code:
        return None
    return _refused(
        f"the model brings code: {some(content.code)}",
        got=some(content.code),
        expected="no code in the model",
        unblock="move the code into the agent's image, and register the model without it",
    )


def _loose(content: Content, limits: ContentPolicy) -> GateResult | None:
    if limits.loose_requirements or not content.loose:
        return None
    return _refused(
        f"requirements do not pin a version with its hash: {some(content.loose)}",
        got=some(content.loose),
        expected="name==version --hash=sha256:..., and nothing else",
        unblock="write them with `pip-compile --generate-hashes`, or leave the file out",
    )


def _more(content: Content, _limits: ContentPolicy) -> GateResult | None:
    """What had no room in the facts was not judged, so it cannot pass."""
    if not content.more:
        return None
    return _refused(
        f"{content.more} findings more than are kept were made in the model's files",
        got=f"{content.more} more",
        expected="at most 64 of a kind",
        unblock=_SAVE,
    )


_RULES: tuple[Callable[[Content, ContentPolicy], GateResult | None], ...] = (
    _pickles,
    _faults,
    _formats,
    _loaders,
    _code,
    _loose,
    _more,
)


def _refused(message: str, *, got: str, expected: str, unblock: str) -> GateResult:
    return failed(NAME, Reason.MODEL_REFUSED, message, got=got, expected=expected, unblock=unblock)
