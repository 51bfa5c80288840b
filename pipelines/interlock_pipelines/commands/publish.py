"""`publish`: one command that does all, where one job is trainer, builder and scanner."""

import dataclasses
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import click

from interlock_pipelines import publish as publishing
from interlock_pipelines.commands import answer, options
from interlock_pipelines.errors import BadInput
from interlock_pipelines.model import Mlflow
from interlock_pipelines.oci import Repository, pinned
from interlock_pipelines.publish import Attached, PlannedModel, PublishedModel


@click.command(epilog=options.EXIT)
@click.argument("model", type=options.FOLDER)
@click.option("--name", required=True, help="Registered model; made if it is not there.")
@click.option("--mlflow", required=True, metavar="URL", help="Address of the MLflow server.")
@options.account
@click.option("--experiment", default="", help="MLflow experiment of the run. Default: the name.")
@click.option(
    "--registry",
    required=True,
    metavar="REPO",
    help="OCI repository of the model's volume, as registry.example/models/press-scheduler.",
)
@click.option("--image", help="Also sign this image, registry/repository@sha256:…")
@click.option(
    "--builder-token-file", type=options.FILE, help="Identity token that signs the image."
)
@options.trivy_report
@options.database_updated
@click.option("--scanner-token-file", type=options.FILE, help="Identity token that signs the scan.")
@options.signing
@options.registry
@options.dry_run
@options.output
def publish(**given: Any) -> None:
    """Register, push and sign the model in folder MODEL; with --image, sign image and scan too.

    The image is signed with --builder-token-file, the scan (--trivy-report and
    --database-updated) with --scanner-token-file; each defaults to --identity-token-file.
    """
    with answer.sentences():
        _check_before(given)
        if given["dry_run"]:
            _say_plan(given["output"], _plan_model(given))
            return
        model = _publish_model(given)
        about_image = dict(_about_image(given))
        if given["output"] == "json":
            done = {"model": dataclasses.asdict(model), **answer.as_dicts(about_image)}
            answer.print_json(done)
            return
        _say_model(model)
        for attached in about_image.values():
            answer.say_attached(attached)


def _check_before(given: Mapping[str, Any]) -> None:
    """Raise BadInput for what would fail after the model is out."""
    if given["trivy_report"] and not given["image"]:
        raise BadInput("--trivy-report says what was found in --image; give both.")
    if given["image"]:
        pinned(given["image"])
    if given["trivy_report"]:
        options.scanned(given)
    signers = {
        "identity_token_file": True,
        "builder_token_file": given["image"],
        "scanner_token_file": given["trivy_report"],
    }
    for file, needed in signers.items():
        if given[file] if given["dry_run"] else needed:
            options.signer_of(given, file)


def _plan_model(given: Mapping[str, Any]) -> PlannedModel:
    options.login_of(given)
    volume = Repository(given["registry"], options.access_of(given))
    return publishing.plan_model(
        given["model"], given["name"], volume=volume, progress=answer.progress
    )


def _publish_model(given: Mapping[str, Any]) -> PublishedModel:
    return publishing.publish_model(
        given["model"],
        given["name"],
        mlflow=Mlflow(given["mlflow"], options.login_of(given)),
        volume=Repository(given["registry"], options.access_of(given)),
        signer=options.signer_of(given),
        experiment=given["experiment"],
        progress=answer.progress,
    )


def _about_image(given: Mapping[str, Any]) -> Iterator[tuple[str, Attached]]:
    access = options.access_of(given)
    if given["image"]:
        signer = options.signer_of(given, "builder_token_file")
        yield "image", publishing.sign_image(given["image"], access=access, signer=signer)
    if given["trivy_report"]:
        signer = options.signer_of(given, "scanner_token_file")
        report, updated = options.scanned(given)
        yield (
            "scan",
            publishing.attach_scan(
                given["image"], report, updated, access=access, signer=signer, now=datetime.now(UTC)
            ),
        )


def _say_plan(output: str, model: PlannedModel) -> None:
    if output == "json":
        answer.print_json({"model": dataclasses.asdict(model)})
        return
    click.echo(
        f"Would register {model.name}: {model.files} files, {model.bytes} bytes.\n"
        f"  tree: {model.tree}\n  volume: {model.volume}"
    )


def _say_model(model: PublishedModel) -> None:
    click.echo(
        f"Registered {model.name} version {model.version}: {model.files} files, signed by "
        f"{model.identity} ({model.issuer}), run {model.run}.\n"
        "In the AgentDeployment:\n\n"
        f"  model:\n    name: {model.name}\n"
        f'    version: "{model.version}"\n'
        f"    tree: {model.tree}\n    volume: {model.volume}\n"
    )
