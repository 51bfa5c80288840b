"""What people and CI jobs do in the story, each by the command that they would type."""

import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from interlock_sandbox.agentimage import push_agent
from interlock_sandbox.demo import policy, show
from interlock_sandbox.demo.mlflow import flip_last_byte
from interlock_sandbox.demo.profile import NODE
from interlock_sandbox.demo.world import AGENT, EXAMPLE, FILE, TEAM, World
from interlock_sandbox.images import push_image

SCANS = EXAMPLE.parent / "scans"
BAKE = "4s"
FAULTS = {"never-ready": "never-ready", "turns-unready": "unhealthy-after=20s"}
"""What a version of the agent is told to do wrong, by what becomes of it."""


@dataclass(frozen=True, slots=True)
class Model:
    """What the trainer published."""

    version: str
    volume: str


def publish_model(world: World, note: str, trainer: str = policy.TRAINER) -> Model:
    """The trainer's CI job registers a model, pushes its OCI form and signs both as one tree."""
    folder = world.home / "training" / note
    shutil.copytree(EXAMPLE / "model", folder)
    (folder / "note.txt").write_text(f"{note}\n")
    out = world.run(
        "trainer",
        "interlock-pipeline",
        "publish",
        str(folder),
        "--name",
        AGENT,
        "--mlflow",
        world.outputs["mlflow_url"],
        "--username",
        world.outputs["mlflow_trainer_username"],
        "--password-file",
        world.outputs["mlflow_trainer_password_file"],
        "--registry",
        f"{world.outputs['registry']}/models/{AGENT}",
        "--plain-http",
        "--trust-config",
        world.outputs["sigstore_trust_config"],
        "--identity-token-file",
        str(world.token_file(trainer)),
        "-o",
        "json",
        quiet=True,
    )
    model = json.loads(out)["model"]
    show.say(
        f"trainer: registered {model['name']} version {model['version']}, {model['files']} files, "
        f"signed by {model['identity']}"
    )
    return Model(str(model["version"]), str(model["volume"]))


def build_image(world: World, note: str, fate: str = AGENT, scan: str = "clean") -> str:
    """The builder's CI job pushes and signs an image; the scanner attaches what it found."""
    image = _pushed(world, note, fate)
    report = _report(world, note, image, scan)
    signing = ("--plain-http", "--trust-config", world.outputs["sigstore_trust_config"])
    builder, scanner = world.token_file(policy.BUILDER), world.token_file(policy.SCANNER)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    world.run(
        "builder", "interlock-pipeline", "sign-image", image, *signing,
        "--identity-token-file", str(builder), quiet=True,
    )  # fmt: skip
    world.run(
        "scanner", "interlock-pipeline", "attach-scan", image, *signing,
        "--identity-token-file", str(scanner), "--trivy-report", str(report),
        "--database-updated", now, quiet=True,
    )  # fmt: skip
    show.say(f"builder and scanner: signed {_shown(image)} and its {scan} scan")
    return image


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


def _pushed(world: World, note: str, fate: str) -> str:
    """The agent itself where it can run; else an image that kwok judges by its name."""
    registry = world.outputs["registry"]
    if world.profile is NODE:
        told = {"AGENT_FAULT": FAULTS[fate]} if fate in FAULTS else {}
        return push_agent(registry, version=note, defaults=told, repository=f"agents/{AGENT}")
    digest = push_image(registry, f"agents/{fate}", {"agent.txt": note.encode()})
    return f"{registry}/agents/{fate}@{digest}"


def _shown(image: str) -> str:
    """An image without its registry and most of its digest."""
    name, _, digest = image.partition("/")[2].partition("@sha256:")
    return f"{name}@{digest[:10]}"


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


def _report(world: World, note: str, image: str, scan: str) -> Path:
    """The example report, as if Trivy had just scanned this image."""
    report = json.loads((SCANS / f"{scan}.json").read_text())
    report["CreatedAt"] = datetime.now(UTC).isoformat()
    report["ArtifactName"] = image
    report["Metadata"] |= {"RepoDigests": [image]}
    path = world.home / f"scan-{note}.json"
    path.write_text(json.dumps(report))
    return path
