"""The steps. Each shows real commands with their real output, and asserts what it says."""

import json
import re
import time
from collections.abc import Callable

import yaml

from interlock_sandbox.demo import acts, attacks, pickles, policy, producing, show, traffic, trivy
from interlock_sandbox.demo.load import Load, get
from interlock_sandbox.demo.podsteps import only_declared_edges, quarantine_keeps_evidence
from interlock_sandbox.demo.profile import NODE, Profile
from interlock_sandbox.demo.story import Story
from interlock_sandbox.demo.world import AGENT, FILE, TEAM, World

Step = Callable[[Story], str]
CUT_WITHIN = 60
"""Seconds from the signed change of the revocation list to the running agent's cut."""


def first_version_waits(story: Story) -> str:
    """CI jobs make model, image and evidence; the team opens a pull request; its check waits."""
    world = story.world
    acts.clone_all(world)
    story.models["v1"], story.images["v1"] = producing.release(world, "v1")
    story.pull = acts.propose(world, story.images["v1"], story.models["v1"])
    acts.check(world, story.pull, "pending", "quality", "ot-safety")
    text = acts.comment(world, story.pull, "**Waiting**")
    asked = policy.gates(world)
    for gate in asked[:-1]:
        show.hold(re.search(rf"pass +{gate} ", text), f"the gate {gate} would pass", text)
    return f"{len(asked) - 1} proofs hold; waits for quality and ot-safety"


def two_approvers_review(story: Story) -> str:
    """Two persons in two roles approve it, the team merges: the first version serves."""
    acts.review_all(story.world, story.pull)
    acts.merge(story.world, story.pull)
    if story.world.profile is NODE:
        story.load = Load(show.until(story.address, "the agent's Service"))
        story.load.start()
    story.models["v2"] = producing.publish_model(story.world, "v2")  # while pods start
    status = acts.wait_for(story.world, "v1 serves", ready="True", candidate="-")
    show.hold(status["namespace"].startswith(f"agent-{TEAM}-"), "a namespace of its own")
    story.digests["v1"] = status["serving"]
    story.follows(status["serving"])
    acts.wait_for(story.world, "v1's bake ends", reason="-")
    acts.kubectl_get(story.world)
    if story.load:
        _answers_with_its_model(story)
    return f"{status['serving']} serves from {status['namespace']}"


def tampered_model_is_blocked(story: Story) -> str:
    """One byte of the model changes in MLflow after signing: blocked, naming file and digests."""
    world, model = story.world, story.models["v2"]
    acts.deliver(world, story.images["v1"], model)
    name = acts.tamper(world, model)
    acts.wait_for(world, "v2 is blocked", gate="Blocked")
    text = acts.why(world)
    show.hold(name in text, f"`why` names {name}", text)
    show.hold("the signature says" in text, "`why` gives both digests", text)
    show.hold(story.serving() == story.digests["v1"], "v1 still serves")
    return f"{name} differs from what was signed"


def pickle_is_refused(story: Story) -> str:
    """A correctly signed model hides a pickle: blocked, with file and import; nothing runs it."""
    world, mark = story.world, story.world.home / "the-pickle-ran"
    folder = producing.train(world, "pickled")
    name = pickles.hide(folder, mark)
    show.say(f"the trainer puts in {name}, a pickle that makes a file when anybody loads it")
    producing.look_into(world, folder, codes=(1,))
    model = producing.register(world, folder)
    acts.deliver(world, story.images["v1"], model)
    acts.wait_for(world, "its content blocks", gate="Blocked", reason="*model-content")
    text = acts.why(world)
    for told in (f"{name} is a pickle", pickles.IMPORT):
        show.hold(told in text, f"`why` says {told}", text)
    show.hold(text.count("FAIL") == 1, "nothing else is wrong with it, its signature least", text)
    show.hold(not mark.exists(), "nobody loaded the pickle")
    show.hold(story.serving() == story.digests["v1"], "v1 still serves")
    return f"{name} imports {pickles.IMPORT}; nobody loaded it"


def vulnerable_image_is_blocked(story: Story) -> str:
    """A critical vulnerability: the check fails; merged all the same, blocked, with CVE and fix."""
    world, worst = story.world, trivy.FINDING
    story.models["v3"], image = producing.release(world, "v3-critical", scan="critical")
    number = acts.propose(world, image, story.models["v3"])
    acts.check(world, number, "failure", "vulnerability-scan")
    show.say("the forge lets the team merge all the same; a merge proves nothing")
    acts.merge(world, number)
    acts.wait_for(world, "the scan blocks", gate="Blocked", reason="*vulnerability-scan")
    text = acts.why(world)
    for told in (worst.id, worst.package, f"fixed in {worst.fixed}"):
        show.hold(told in text.lower() or told in text, f"`why` names {told}", text)
    by = "found by Trivy in a container" if world.trivy else "as a kept report says"
    return f"{worst.id} in {worst.package}, fixed in {worst.fixed}, {by}"


def never_ready_is_held(story: Story) -> str:
    """v3 is approved, but its pods never become ready: traffic never moves, the digest is held."""
    world = story.world
    moves = len(story.transitions())
    image = producing.build_image(world, "v3", fate="never-ready")
    acts.change(world, image, story.models["v3"])
    story.images["v4"] = producing.build_image(world, "v4", fate="turns-unready")  # meanwhile
    status = acts.wait_for(world, "v3 is held", gate="Held", reason="*NeverReady")
    acts.kubectl_get(world)
    show.hold(status["serving"] == story.digests["v1"], "v1 still serves", status["serving"])
    new = [one["spec"]["type"] for one in story.transitions()[moves:]]
    show.hold(new == ["FailedStage"], "one record, a failed stage", new)
    return "traffic never moved"


def unhealthy_goes_back(story: Story) -> str:
    """v4 serves, then turns unhealthy: back on v1 by itself, and a re-sync changes nothing."""
    world = story.world
    times = {"bake": world.profile.failing_bake, "drain": world.profile.drain}
    acts.change(world, story.images["v4"], story.models["v3"], rollout=times)
    status = acts.wait_for(world, "v4 serves", candidate="-", ready="True")
    story.follows(status["serving"])
    show.say(f"v4 serves; {world.profile.unhealthy}")
    story.models["v5"] = producing.publish_model(world, "v5", policy.SECOND_TRAINER)  # meanwhile
    acts.wait_for(world, "v1 serves again", serving=story.digests["v1"], gate="Held")
    story.follows(story.digests["v1"])
    back = story.transitions()[-1]
    acts.kubectl_get(world)
    records = len(story.transitions())
    _wait_for_sync(world, acts.change_readme(world))
    show.hold(len(story.transitions()) == records, "a re-sync changes nothing")
    story.drained(status["serving"])
    return traffic.left(story.load, back)


def sre_rolls_back_and_releases(story: Story) -> str:
    """v5 serves; an SRE rolls back with kubectl, is recorded, and releases the hold again."""
    world = story.world
    acts.change(world, story.images["v1"], story.models["v5"])
    story.models["v6"] = producing.publish_model(world, "v6")  # meanwhile
    status = acts.wait_for(world, "v5 serves and its bake ended", candidate="-", reason="-")
    story.digests["v5"] = status["serving"]
    story.follows(status["serving"])
    story.drained(story.digests["v1"])
    started = time.monotonic()
    world.run(
        "sre-1", "kubectl", "interlock", "rollback", AGENT, "-n", TEAM,
        "--reason", "rejects up since 02:10",
    )  # fmt: skip
    took = time.monotonic() - started
    acts.wait_for(world, "v1 serves", serving=story.digests["v1"], gate="Held")
    story.follows(story.digests["v1"])
    record = story.transitions()[-1]["spec"]
    story.drained(story.digests["v5"])
    requester = "sre-1@factory.example"
    show.hold(record["requestedBy"] == requester, "the requester is recorded", record)
    world.run("sre-1", "kubectl", "interlock", "history", AGENT, "-n", TEAM)
    world.run(
        "sre-1", "kubectl", "interlock", "release", AGENT, "-n", TEAM,
        "--reason", "the sensor was at fault",
    )  # fmt: skip
    acts.wait_for(world, "v5 serves again", serving=story.digests["v5"], reason="-")
    story.follows(story.digests["v5"])
    acts.kubectl_get(world)
    return f"the command took {took * 1000:.0f} ms; requested by {requester}"


def revoked_signer_is_cut(story: Story) -> str:
    """Security revokes who signed v5: cut within a minute, back on v1."""
    world, since = story.world, time.time()
    folder, keys = str(world.home / "governance"), str(world.home / "governance-keys")
    world.run(
        "security", "interlock", "governance", "revoke", folder, "--keys", keys,
        "--identity", policy.SECOND_TRAINER, "--issuer", world.outputs["sigstore_issuer"],
        "--reason", "the night build's runner was compromised",
    )  # fmt: skip
    world.push_governance("Revoke the night build")
    acts.wait_for(world, "v1 serves", serving=story.digests["v1"])
    story.follows(story.digests["v1"])
    last = story.transitions()[-1]["spec"]
    show.hold(last["cause"] == "revoked" and last["cut"], "a cut, because revoked", last)
    took = traffic.moved_at(story.transitions()[-1]) - since
    show.hold(0 < took <= CUT_WITHIN, f"cut within {CUT_WITHIN} s of the signing", took)
    acts.wait_for(world, "the status says so", gate="Blocked", reason="*revoked")
    acts.kubectl_get(world)
    story.drained(story.digests["v5"])
    record = traffic.left(story.load, story.transitions()[-1])
    return f"cut {took:.1f} s after security began to sign, at most {CUT_WITHIN}; {record}"


def attacks_meet_the_api_server(story: Story) -> str:
    """The operator is dead: pod, pointer and record are refused by the API server alone."""
    story.world.kill("controller")
    show.say("the controller was killed with SIGKILL; nothing of Interlock's answers now")
    refused = [attack(story.world, story.home) for attack in attacks.ATTACKS]
    story.world.start("controller")
    return f"{len(refused)} of {len(attacks.ATTACKS)} refused"


def killed_operator_converges(story: Story) -> str:
    """The operator is killed in the middle of a rollout, and starts again: it converges."""
    world = story.world
    acts.deliver(world, story.images["v1"], story.models["v6"])
    acts.wait_for(world, "v6 waits", gate="Waiting")
    known = set(_deployments(story))
    acts.sign_all(world)
    show.until(lambda: set(_deployments(story)) - known or None, "v6 is being staged")
    world.kill("controller")
    show.say("the controller was killed with SIGKILL while v6 was being staged")
    world.start("controller")
    status = acts.wait_for(world, "v6 serves", candidate="-", reason="-")
    show.hold(status["serving"] != story.digests["v1"], "v6 serves", status)
    story.follows(status["serving"])
    ends = [one.get("status", {}).get("end", {}).get("outcome") for one in story.transitions()]
    show.hold(None not in ends, "every record has its end", ends)
    acts.kubectl_get(world)
    return f"{status['serving']} serves"


def the_chain_verifies(story: Story) -> str:
    """All records lie in the hash-chained log, each with its signature."""
    world = story.world
    wanted = len(story.transitions())
    show.until(
        lambda: world.audit_log.read_text().count('"AgentTransition"') >= wanted or None,
        "the log has all transitions",
        10,
    )
    out = world.run(
        "auditor", "interlock", "audit", "verify", str(world.audit_log),
        "--public-key", str(world.home / "record.pub.pem"),
    )  # fmt: skip
    return out.strip().splitlines()[-1]


_ALL: tuple[Step, ...] = (
    first_version_waits,
    two_approvers_review,
    only_declared_edges,
    tampered_model_is_blocked,
    pickle_is_refused,
    vulnerable_image_is_blocked,
    never_ready_is_held,
    unhealthy_goes_back,
    sre_rolls_back_and_releases,
    revoked_signer_is_cut,
    attacks_meet_the_api_server,
    killed_operator_converges,
    quarantine_keeps_evidence,
    the_chain_verifies,
)
_WITH_PODS = (only_declared_edges, quarantine_keeps_evidence)
CUTS: frozenset[Step] = frozenset((revoked_signer_is_cut, quarantine_keeps_evidence))
"""Where callers may be left without an answer: traffic is taken off at once, whoever it hurts."""


def steps(profile: Profile) -> tuple[Step, ...]:
    """The steps of the story where pods are what they are in this profile."""
    return tuple(step for step in _ALL if profile is NODE or step not in _WITH_PODS)


def _deployments(story: Story) -> list[str]:
    return story.world.kubectl("get", "deploy", "-n", story.home, "-o", "name").split()


def _wait_for_sync(world: World, commit: str) -> None:
    path = "jsonpath={.status.commit}"
    show.until(
        lambda: world.kubectl("get", "arepo", "agents", "-n", TEAM, "-o", path) == commit or None,
        "the syncer applied the new commit",
    )


def _answers_with_its_model(story: Story) -> None:
    """The agent says which files it sees: those that were signed and approved."""
    address = story.address() or ""
    text = get(address)
    show.command("a caller", ("curl", f"http://{address}/"), text)
    document = yaml.safe_load((story.world.clone("team") / FILE).read_text())
    tree = document["spec"]["model"]["tree"].removeprefix("sha256:")
    show.hold(json.loads(text)["model"] == tree[:16], f"the model {tree[:16]}", text)
    show.say(f"its model is the tree {tree[:16]}…, mounted from an image by digest")
