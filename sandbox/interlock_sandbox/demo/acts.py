"""What people do in the story, each by the command that they would type."""

import json
from typing import Any

import yaml

from interlock_sandbox.demo import show
from interlock_sandbox.demo.mlflow import flip_last_byte
from interlock_sandbox.demo.producing import Model
from interlock_sandbox.demo.profile import NODE
from interlock_sandbox.demo.world import AGENT, EXAMPLE, FILE, TEAM, World

BAKE = "4s"


def propose(world: World, image: str, model: Model, **changes: Any) -> str:
    """The team writes the file, pins it and pushes; return the commit."""
    path = world.clone("team") / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(_manifest(world, image, model), sort_keys=False))
    if changes:
        document = yaml.safe_load(path.read_text())
        document["spec"] |= changes
        path.write_text(yaml.safe_dump(document, sort_keys=False))
    world.run("team", "interlock", "pin", FILE)
    return push(world, f"Deploy model {model.version}")


def push(world: World, message: str) -> str:
    """The team commits and pushes what it has."""
    world.run("team", "git", "add", "-A", quiet=True)
    world.run("team", "git", "commit", "-q", "--allow-empty", "-m", message, quiet=True)
    world.run("team", "git", "push", "-q", "origin", "HEAD:main")
    return world.run("team", "git", "rev-parse", "HEAD", quiet=True).strip()


def approve(world: World, person: str, role: str) -> None:
    """An approver fetches what was pushed and signs it."""
    world.run(person, "git", "pull", "-q", "--rebase", "origin", "main", quiet=True)
    world.run(person, "interlock", "approve", FILE, "--role", role, "--yes", "--reason", "reviewed")


def approve_all(world: World) -> None:
    """Both roles that the tier asks for sign."""
    approve(world, "quality-1", "quality")
    approve(world, "ot-safety-1", "ot-safety")


def clone_all(world: World) -> None:
    """Everybody clones the team's repository; the team makes the first commit."""
    url = world.repositories["agents"]
    for person in ("team", "quality-1", "ot-safety-1"):
        folder = world.home / "people" / person / "agents"
        world.run(person, "git", "clone", "-q", url, str(folder), folder=world.home, quiet=True)
        if person == "team":
            (folder / "README.md").write_text("Agents of line 4.\n")
            push(world, "Begin")


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
