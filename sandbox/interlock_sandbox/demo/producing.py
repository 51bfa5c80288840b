"""What CI jobs do in the story: they make a model and an image, and all evidence about both.

Each proof is made by the verb of `interlock-pipeline` that a job would call, under the identity of
its role. Trivy is real where it can be; elsewhere a kept report is signed in its place, and nobody
makes a bill of materials.
"""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from interlock_sandbox.agentimage import push_agent
from interlock_sandbox.demo import policy, show
from interlock_sandbox.demo.profile import NODE
from interlock_sandbox.demo.world import AGENT, EXAMPLE, World
from interlock_sandbox.images import push_image

SCANS = EXAMPLE.parent / "scans"
FAULTS = {"never-ready": "never-ready", "turns-unready": "unhealthy-after=20s"}
"""What a version of the agent is told to do wrong, by what becomes of it."""
PYYAML = {"clean": "6.0.2", "critical": "5.3.1"}
"""The version in an image, by what a scan of it says."""
_OS = {"ID": "debian", "VERSION_ID": "12", "PRETTY_NAME": "Debian GNU/Linux 12"}
_DEB = (
    "Package: libyaml-0-2\nStatus: install ok installed\nSource: libyaml\n"
    "Version: 0.2.5-1\nArchitecture: amd64\nMaintainer: nobody\n"
)
_WHEEL = "usr/lib/python3/dist-packages/PyYAML-{0}.dist-info/METADATA"
_METADATA = "Metadata-Version: 2.1\nName: PyYAML\nVersion: {0}\n"


@dataclass(frozen=True, slots=True)
class Model:
    """What the trainer published."""

    version: str
    volume: str


def release(world: World, note: str, scan: str = "clean") -> tuple[Model, str]:
    """A new model and a new image, each by CI jobs of its own at the same time."""
    with ThreadPoolExecutor() as jobs:
        model = jobs.submit(publish_model, world, note)
        image = jobs.submit(build_image, world, note, scan=scan)
        return model.result(), image.result()


def publish_model(world: World, note: str, trainer: str = policy.TRAINER) -> Model:
    """The trainer's CI job looks into a model and registers it; others test and list it."""
    folder = train(world, note)
    look_into(world, folder)
    return register(world, folder, trainer)


def train(world: World, note: str) -> Path:
    """The folder of a new model."""
    folder = world.home / "training" / note
    shutil.copytree(EXAMPLE / "model", folder)
    (folder / "note.txt").write_text(f"{note}\n")
    for path in (folder, *folder.iterdir()):
        path.chmod(0o755 if path.is_dir() else 0o644)  # what Trivy cannot read, it passes over
    return folder


def look_into(world: World, folder: Path, codes: tuple[int, ...] = (0,)) -> None:
    """The trainer's CI job asks what the gate will say of a model's files."""
    gates = world.home / "governance" / "targets" / "gates.yaml"
    _job(world, "trainer", "model-scan", str(folder), "--gates", str(gates), codes=codes)


def register(world: World, folder: Path, trainer: str = policy.TRAINER) -> Model:
    """The trainer registers, pushes and signs a folder, whatever it is; others say theirs of it."""
    place = ("--registry", f"{world.outputs['registry']}/models/{AGENT}", "--plain-http")
    signing = _as(world, trainer)
    out = _job(
        world, "trainer", "publish", str(folder), "--name", AGENT, *_mlflow(world), *place,
        *signing, "-o", "json", quiet=True,
    )  # fmt: skip
    made = json.loads(out)["model"]
    model = Model(str(made["version"]), str(made["volume"]))
    show.say(
        f"trainer: registered {made['name']} version {model.version}, {made['files']} files, "
        f"signed by {made['identity']}"
    )
    _prove(world, folder, model)
    return model


def _prove(world: World, folder: Path, model: Model) -> None:
    """What others than the trainer say of a model: how it did, and what it is made of."""
    with ThreadPoolExecutor() as jobs:
        started = [jobs.submit(job, world, folder, model) for job in (_evaluate, _list)]
        for each in started:
            each.result()


def _evaluate(world: World, folder: Path, model: Model) -> None:
    suite, orders = EXAMPLE / "evaluate.py", EXAMPLE / "orders.csv"
    results = world.home / f"results-{model.version}.json"
    results.write_text(
        world.run("evaluator", "python", str(suite), str(folder), str(orders), quiet=True)
    )
    said = ("--results", str(results), "--suite", str(suite), "--dataset", str(orders))
    signing = _as(world, policy.EVALUATOR)
    _job(world, "evaluator", "evaluate", str(folder), *said, *_beside(world, model), *signing)


def _list(world: World, folder: Path, model: Model) -> None:
    if world.trivy:
        options, signing = world.trivy.options(), _as(world, policy.BUILDER)
        _job(world, "builder", "sbom", str(folder), *options, *_beside(world, model), *signing)


def build_image(world: World, note: str, fate: str = AGENT, scan: str = "clean") -> str:
    """The builder's CI job pushes, signs and describes an image; the scanner says what it found."""
    image = _pushed(world, note, fate, scan)
    commit = world.run("team", "git", "rev-parse", "HEAD", quiet=True).strip()
    source = ("--source", policy.source(world), "--ref", policy.REF, "--commit", commit)
    builder = (*_as(world, policy.BUILDER), "--plain-http")
    _job(world, "builder", "sign-image", image, *builder)
    _job(world, "builder", "provenance", image, "--builder", policy.BUILDER, *source, *builder)
    if world.trivy:
        kept = ("--work", str(world.home / "scans"))
        _job(world, "builder", "sbom", image, *world.trivy.options(), *kept, *builder[:-1])
    _scan(world, note, image, scan)
    return image


def _scan(world: World, note: str, image: str, scan: str) -> None:
    signing = _as(world, policy.SCANNER)
    if world.trivy:
        kept = ("--work", str(world.home / "scans"))
        _job(world, "scanner", "scan", image, *world.trivy.options(), *kept, *signing)
        return
    report = _report(world, note, image, scan)
    updated = ("--database-updated", datetime.now(UTC).isoformat(timespec="seconds"))
    said = ("--trivy-report", str(report), *updated, "--plain-http")
    _job(world, "scanner", "attach-scan", image, *said, *signing)


def _job(
    world: World,
    who: str,
    verb: str,
    target: str,
    *more: str,
    quiet: bool = False,
    codes: tuple[int, ...] = (0,),
) -> str:
    """Run a verb of `interlock-pipeline`, and print it without its many options."""
    out = world.run(who, "interlock-pipeline", verb, target, *more, quiet=True, codes=codes)
    if not quiet:
        show.command(who, ("interlock-pipeline", verb, _shown(target), "..."), out)
    return out


def _as(world: World, identity: str) -> tuple[str, ...]:
    """Who signs, as options."""
    trust = world.outputs["sigstore_trust_config"]
    token = str(world.token_file(identity))
    return ("--trust-config", trust, "--identity-token-file", token)


def _beside(world: World, model: Model) -> tuple[str, ...]:
    return ("--name", AGENT, "--model-version", model.version, *_mlflow(world))


def _mlflow(world: World) -> tuple[str, ...]:
    said = world.outputs
    login = ("--username", said["mlflow_trainer_username"])
    password = ("--password-file", said["mlflow_trainer_password_file"])
    return ("--mlflow", said["mlflow_url"], *login, *password)


def _pushed(world: World, note: str, fate: str, scan: str) -> str:
    """The agent itself where it can run; else an image that kwok judges by its name."""
    registry, packages = world.outputs["registry"], _packages(PYYAML[scan])
    if world.profile is NODE:
        told = {"AGENT_FAULT": FAULTS[fate]} if fate in FAULTS else {}
        repository = f"agents/{AGENT}"
        return push_agent(
            registry, version=note, defaults=told, repository=repository, beside=packages
        )
    digest = push_image(registry, f"agents/{fate}", {"agent.txt": note.encode(), **packages})
    return f"{registry}/agents/{fate}@{digest}"


def _packages(pyyaml: str) -> dict[str, bytes]:
    """What an operating system and pip leave of their packages, by which scanners know them."""
    release = "".join(f'{name}="{value}"\n' for name, value in _OS.items())
    return {
        "etc/os-release": release.encode(),
        "etc/debian_version": b"12.12\n",
        "var/lib/dpkg/status": _DEB.encode(),
        _WHEEL.format(pyyaml): _METADATA.format(pyyaml).encode(),
    }


def _shown(target: str) -> str:
    """A folder's name, or an image without its registry and most of its digest."""
    if "@" not in target:
        return Path(target).name
    name, _, digest = target.partition("/")[2].partition("@sha256:")
    return f"{name}@{digest[:10]}"


def _report(world: World, note: str, image: str, scan: str) -> Path:
    """The kept report, as if Trivy had just scanned this image."""
    report = json.loads((SCANS / f"{scan}.json").read_text())
    report["CreatedAt"] = datetime.now(UTC).isoformat()
    report["ArtifactName"] = image
    report["Metadata"] |= {"RepoDigests": [image]}
    path = world.home / f"scan-{note}.json"
    path.write_text(json.dumps(report))
    return path
