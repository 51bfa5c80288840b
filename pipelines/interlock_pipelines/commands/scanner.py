"""What `scan` and `sbom` share: they put Trivy on the same subjects, and sign what it says."""

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from interlock_pipelines import layout
from interlock_pipelines.commands import answer, options, placing
from interlock_pipelines.container import Engine
from interlock_pipelines.errors import BadInput
from interlock_pipelines.subjects import Image, Model
from interlock_pipelines.trivy import Trivy

shared = options.options(
    click.option(
        "--trivy",
        metavar="IMAGE",
        required=True,
        help="Image of Trivy by digest, as registry.example/tools/trivy@sha256:…",
    ),
    click.option(
        "--database",
        type=options.FOLDER,
        required=True,
        help="Cache folder that `trivy image --download-db-only --cache-dir …` filled.",
    ),
    click.option("--docker", metavar="URL", help="Docker Engine. Default: $DOCKER_HOST."),
    click.option(
        "--work",
        type=click.Path(file_okay=False, path_type=Path),
        help="Keep what was fetched and found here: a run that broke off goes on from it.",
    ),
    options.version,
    options.signing,
    options.registry,
    options.dry_run,
    options.output,
)


@contextmanager
def trivy_of(given: Mapping[str, Any]) -> Iterator[Trivy]:
    """Trivy in its engine. Raises PipelineError."""
    with Engine.connect(given["docker"]) as engine:
        yield Trivy.load(engine, given["trivy"], given["database"])


def place_of(given: Mapping[str, Any], kind: str) -> placing.Put | None:
    """Return what puts a claim beside TARGET; None for --dry-run. Raises PipelineError."""
    if _folder(given["target"]) is None:
        return placing.beside_image(given, given["target"])
    return placing.beside_model(given, kind)


@contextmanager
def work_of(given: Mapping[str, Any]) -> Iterator[Path]:
    """The folder for copies and results: the user's, or one that goes at the end."""
    if folder := given["work"]:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield folder
    else:
        with tempfile.TemporaryDirectory(prefix="interlock-scan-") as made:
            yield Path(made)


def subject_of(given: Mapping[str, Any], work: Path) -> Image | Model:
    """Return what TARGET names, fetched and counted. Raises PipelineError."""
    target = given["target"]
    if folder := _folder(target):
        return Model.read(folder)
    access = options.access_of(given)
    image = Image.find(target, access, work)
    label = f"Fetching {image.digest[:19]}"
    with answer.progress(label, layout.size(image.manifest)) as told:
        image.fetch(access, told)
    return image


def remembered(work: Path, name: str, key: object, make: Callable[[], dict[str, Any]]) -> Any:
    """Return what was made for this key before, or make it now and keep it."""
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
    place = work / f"{name}-{digest}.json"
    if not place.exists():
        click.echo(f"Trivy makes the {name} ...", err=True)
        draft = place.with_suffix(".part")
        draft.write_text(json.dumps(make()))
        draft.rename(place)
    try:
        return json.loads(place.read_text())
    except ValueError as error:
        raise BadInput(f"{place} is not JSON ({error}). Remove it, and start again.") from error


def _folder(target: str) -> Path | None:
    return Path(target) if "@" not in target and Path(target).is_dir() else None
