"""What people do in the story, each by the command that they would type."""

import json
from typing import Any

import yaml

from interlock_sandbox.demo import policy, show
from interlock_sandbox.demo.mlflow import flip_last_byte
from interlock_sandbox.demo.producing import Model
from interlock_sandbox.demo.profile import NODE
from interlock_sandbox.demo.world import AGENT, EXAMPLE, FILE, TEAM, World

BAKE = "4s"


REPOSITORY = f"{TEAM}/agents"
CHECK = f"interlock/{TEAM}/{AGENT}"
"""What the bridge calls its check."""


def propose(world: World, image: str, model: Model, **changes: Any) -> int:
    """The team writes the file, pins it and opens a pull request; return its number."""
    branch = f"model-{model.version}-{image[-6:]}"
    world.run("team", "git", "switch", "-q", "-C", branch, "origin/main", quiet=True)
    path = world.clone("team") / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(_manifest(world, image, model), sort_keys=False))
    if changes:
        document = yaml.safe_load(path.read_text())
        document["spec"] |= changes
        path.write_text(yaml.safe_dump(document, sort_keys=False))
    world.run("team", "interlock", "pin", FILE)
    return open_pull(world, f"Deploy model {model.version}")


def open_pull(world: World, title: str) -> int:
    """The team commits what it has, pushes the branch and opens a pull request."""
    world.run("team", "git", "add", "-A", quiet=True)
    world.run("team", "git", "commit", "-q", "-m", title, quiet=True)
    branch = world.run("team", "git", "branch", "--show-current", quiet=True).strip()
    push = ("git", "push", "-q", "origin", branch)
    world.run("team", *push, quiet=True)
    show.command("team", push, "")  # the forge answers with advice for people
    return world.forge.open_pull("team", REPOSITORY, branch, title)


def merge(world: World, number: int) -> str:
    """The team merges and goes on from there; return the commit."""
    commit = world.forge.merge("team", REPOSITORY, number)
    world.run("team", "git", "fetch", "-q", "origin", quiet=True)
    return commit


def deliver(world: World, image: str, model: Model, **changes: Any) -> str:
    """The team proposes and merges at once, whatever anybody thinks of it; return the commit."""
    return merge(world, propose(world, image, model, **changes))


def change(world: World, image: str, model: Model, **changes: Any) -> str:
    """The team proposes, both roles approve, the team merges; return the commit."""
    number = propose(world, image, model, **changes)
    review_all(world, number)
    return merge(world, number)


def review_all(world: World, number: int) -> None:
    """Both roles that the tier asks for approve in the pull request, until its check is green."""
    for person in policy.APPROVERS:
        world.forge.approve(person, REPOSITORY, number)
    check(world, number, "success")


def check(world: World, number: int, state: str, *told: str) -> str:
    """Wait until the check of a pull request is in this state and tells this; return its text."""

    def look() -> str | None:
        found = world.forge.check("team", REPOSITORY, number, CHECK)
        return found.text if found.state == state and all(w in found.text for w in told) else None

    text = show.until(look, f"the check is {state}")
    show.say(f"check {CHECK}: {state}: {text}")
    return text


def comment(world: World, number: int, told: str) -> str:
    """Wait until the bridge tells this under a pull request; return all that it says."""

    def look() -> str | None:
        said = world.forge.comments("team", REPOSITORY, number)
        return next((text for text in said if told in text), None)

    text = show.until(look, f"a comment under pull request #{number} that tells {told}")
    show.quote(f"bridge, under pull request #{number}", text)
    return text


def sign(world: World, person: str) -> None:
    """An approver fetches what was merged and signs it."""
    role = policy.APPROVERS[person]
    world.run(person, "git", "pull", "-q", "--rebase", "origin", "main", quiet=True)
    world.run(person, "interlock", "approve", FILE, "--role", role, "--yes", "--reason", "reviewed")


def sign_all(world: World) -> None:
    """Both roles that the tier asks for sign what is on `main`."""
    for person in policy.APPROVERS:
        sign(world, person)


def clone_all(world: World) -> None:
    """Everybody clones the team's repository; the team makes the first commit."""
    url = world.repositories["agents"]
    for person in ("team", *policy.APPROVERS):
        folder = world.home / "people" / person / "agents"
        world.run(person, "git", "clone", "-q", url, str(folder), folder=world.home, quiet=True)
        if person == "team":
            _begin(world)


def change_readme(world: World) -> str:
    """The team changes what is no agent's; return the commit."""
    world.run("team", "git", "switch", "-q", "-C", "readme", "origin/main", quiet=True)
    (world.clone("team") / "README.md").write_text("Agents of line 4, night shift included.\n")
    return merge(world, open_pull(world, "Say whose agents these are"))


def _begin(world: World) -> None:
    (world.clone("team") / "README.md").write_text("Agents of line 4.\n")
    for arguments in (("add", "-A"), ("commit", "-q", "-m", "Begin"), ("push", "-q", "-u")):
        world.run("team", "git", *arguments, quiet=True)


def tamper(world: World, model: Model) -> str:
    """Somebody with the trainer's account changes one byte in MLflow; return the file's name."""
    name = flip_last_byte(world.outputs, AGENT, model.version, "weights.safetensors")
    show.say(f"somebody changed the last byte of {name} in MLflow, after it was signed and pinned")
    return name


def wait_for(world: World, what: str, seconds: float = 60.0, **columns: str) -> dict[str, str]:
    """Wait until the agent's status has these values (`*x` for any text that holds x)."""

    def look() -> dict[str, str] | None:
        status = world.status()
        for column, wanted in columns.items():
            got = str(status.get(column, ""))
            if not (wanted[1:] in got if wanted.startswith("*") else got == wanted):
                return None
        return status

    try:
        return show.until(look, what, seconds)
    except show.Unheld as error:
        raise show.Unheld(f"{error}; the status is {json.dumps(world.status())}") from None


def kubectl_get(world: World) -> None:
    """Show what anyone sees."""
    show.command(
        "sre-1", ("kubectl", "get", "ad", "-n", TEAM), world.kubectl("get", "ad", "-n", TEAM)
    )


def why(world: World) -> str:
    """The SRE asks why."""
    return world.run("sre-1", "kubectl", "interlock", "why", AGENT, "-n", TEAM)


def _manifest(world: World, image: str, model: Model) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((EXAMPLE / "agent.yaml").read_text())
    document["spec"] |= {
        "image": image,
        "model": {"name": AGENT, "version": model.version, "volume": model.volume},
        "rollout": {"bake": BAKE, "drain": world.profile.drain},
    }
    if world.profile is not NODE:
        del document["spec"]["health"]  # nothing would answer
    return document
