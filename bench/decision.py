"""How long a decision over eight attestations takes, from the bundles' bytes to the gates' verdict.

The eight are a model signature, an image signature, a vulnerability scan, a provenance, an SBOM, an
ML-BOM, an evaluation and a training record, each signed by a Sigstore of the sandbox, and policy
asks for all of them.

warm: policy is parsed, and the bundles were verified before under the same trust. They are read,
summarised and judged anew.

cold: nothing is known. Policy and trusted root are parsed, and every signature, log proof and
certificate is verified.

job: what a job of the verifier costs beyond its work, from the request at the verifier to the
answer: a process behind walls, with a folder of its own, that says one word and is gone.

remembered: the same question a moment later, which the verifier answers without a job.
"""

import asyncio
import gc
import json
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchlib.report import Row, parser, report, say
from interlock.api import digests
from interlock.api.config import Config
from interlock.api.facts import Facts, Subject
from interlock.api.values import Outcome
from interlock.evidence import bundles
from interlock.evidence.hashing import HashCache
from interlock.evidence.http import Blob
from interlock.evidence.predicates.base import rfc3339
from interlock.evidence.proven import Proven
from interlock.evidence.sigstore import SigstoreVerifier
from interlock.evidence.wire import FindingsRequest
from interlock.gates import judge
from interlock.policy import Policy
from interlock.policy.parse import parse
from interlock.verifier.desk import Desk
from interlock.verifier.jobs import Answer, Jobs
from support import deeds, facts, plant, policies, proven, signed

BUDGET = "budget: warm p50 <= 10 ms, p99 <= 25 ms; job < 15 ms"
NOTHING = "answers"
"""The deed of a job that does nothing."""
SIGNATURES = ("model-signature", "image-signature", "vulnerability-scan")


def targets() -> dict[str, bytes]:
    """A policy that asks for all eight."""
    tiers = policies.documents()["tiers"]
    tiers["tiers"]["high"] = {"gates": [*SIGNATURES, *proven.GATES]}
    gates = policies.documents()["gates"] | proven.ASKED
    return plant.targets(tiers=tiers, gates=gates)


def attestations() -> list[Blob]:
    """The eight bundles, signed now."""
    found = [signed.signed_model(recipe=plant.TRAINER), plant.image_signature(), plant.scan()]
    found += [proof.bundle() for proof in proven.honest().values()]
    return [Blob(f"bench:{number}", data) for number, data in enumerate(found)]


def subject() -> Subject:
    """What is judged: the image and the model that the eight are about."""
    spec = facts.spec(
        image=f"registry.example/agents/press@sha256:{proven.IMAGE}",
        model={"name": "press", "version": "12", "tree": f"sha256:{proven.TREE}"},
    )
    digest = digests.content(policies.NAMESPACE, facts.NAME, spec)
    behaviour = digests.behaviour(spec)
    return Subject(
        namespace=policies.NAMESPACE,
        name=facts.NAME,
        spec=spec,
        digest=digest,
        behaviour=behaviour,
    )


def verdict(blobs: list[Blob], policy: Policy, cache: HashCache, about: Subject) -> Facts:
    """Decide once. Raises ValueError unless all eight count."""
    now = signed.now()
    trust = [policy.trusted_root, policy.trust.model_dump_json().encode()]
    verifier = Proven(lambda: SigstoreVerifier(policy.trusted_root), trust, cache)
    evidence, denied = bundles.read(blobs, verifier, signed.model_files(), now)
    said = facts.good_facts(now=rfc3339(now), subject=about, evidence=evidence, denied=denied)
    results = judge(said, policy)
    asked = [each for each in results if each.gate in (*SIGNATURES, *proven.GATES)]
    bad = [f"{each.gate}: {each.message}" for each in asked if each.outcome is not Outcome.PASS]
    if bad or len(asked) != len((*SIGNATURES, *proven.GATES)):
        raise ValueError(f"not all eight count: {bad}; {denied}")
    said.canonical()
    return said


def timed(work: Callable[[], object], runs: int) -> list[float]:
    """Milliseconds of each run; the garbage of one is not collected at the cost of another."""
    times = []
    for _ in range(runs):
        gc.collect()
        started = time.perf_counter()
        work()
        times.append((time.perf_counter() - started) * 1000)
    return times


async def asked(runs: int, about: Subject) -> tuple[list[float], list[float]]:
    """Milliseconds of jobs that do nothing, one after the other; and of answers without one."""
    question = {
        "namespace": about.namespace,
        "name": NOTHING,
        "spec": about.spec,
        "targets": {name: data.decode() for name, data in targets().items()},
    }
    body = json.dumps(question).encode()

    async def remembered(desk: Desk) -> Answer:
        return await desk.findings(FindingsRequest.model_validate_json(body), body)

    with tempfile.TemporaryDirectory(prefix="interlock-bench-") as folder:
        jobs = Jobs(Path(folder), deeds.MODULE)
        await jobs.start()
        desk = Desk(Config(), jobs, clock=lambda: 0.0)  # for which no time goes by
        try:
            by_jobs = [
                await answered(jobs.findings(about.namespace, NOTHING, body))
                for _ in range(runs + 1)
            ]
            by_desk = [await answered(remembered(desk)) for _ in range(runs + 1)]
        finally:
            await jobs.close()
    return by_jobs[1:], by_desk[1:]  # the first touches what all share, or is remembered by all


async def answered(answer: Awaitable[Answer]) -> float:
    """Milliseconds until the verifier has answered."""
    started = time.perf_counter()
    said = await answer
    took = (time.perf_counter() - started) * 1000
    if not said.resolved:
        raise ValueError(said.body.decode())
    return took


def main() -> None:
    """Measure and print."""
    options = parser(__doc__)
    options.add_argument("--runs", type=int, default=400, help="warm decisions, default 400")
    options.add_argument("--cold", type=int, default=60, help="cold decisions, default 60")
    options.add_argument("--jobs", type=int, default=200, help="empty jobs, default 200")
    given = options.parse_args()
    said, blobs, about = targets(), attestations(), subject()
    policy, cache = parse(said, 1), HashCache()
    verdict(blobs, policy, cache, about)
    say("eight attestations count")
    warm = timed(lambda: verdict(blobs, policy, cache, about), given.runs)
    cold = timed(lambda: verdict(blobs, parse(said, 1), HashCache(), about), given.cold)
    empty, remembered = asyncio.run(asked(given.jobs, about))
    rows = [Row("cold", 8, "ms", cold), Row("job", 1, "ms", empty)]
    rows += [Row("remembered", 1, "ms", remembered), Row("warm", 8, "ms", warm)]
    report("decision", rows, (BUDGET, "no peer decides over attestations"), given)


if __name__ == "__main__":
    main()
