"""`interlock-pipeline`: what a CI job calls to publish a model and its evidence.

One command does all, and each part is a command of its own: where trainer, builder and scanner
are different jobs, none of them holds another's identity token.
"""

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from interlock_pipelines import publish as publishing
from interlock_pipelines.errors import BadInput, PipelineError
from interlock_pipelines.model import Mlflow
from interlock_pipelines.oci import Access, Repository, pinned
from interlock_pipelines.publish import Attached, PublishedModel
from interlock_pipelines.scan import Report, moment, read_report
from interlock_pipelines.sign import Signer

F = TypeVar("F", bound=Callable[..., Any])
_EXIT = """
\b
Exit codes:
  0  all is published
  1  a service refused: wrong token, no right, unknown image
  2  a file or an argument is wrong
  3  a service gave no answer: start again later
"""
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


def _options(*options: Callable[[F], F]) -> Callable[[F], F]:
    def add(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return add


_signing = _options(
    click.option(
        "--trust-config",
        required=True,
        type=_FILE,
        help="Sigstore client trust configuration: trusted root and signing addresses.",
    ),
    click.option(
        "--identity-token-file",
        required=True,
        type=_FILE,
        help="OIDC identity token for the audience `sigstore`; who it names is who signs.",
    ),
)
_registry = _options(
    click.option(
        "--registry-auth-file", type=_FILE, help="File with `user:password` for the OCI registry."
    ),
    click.option("--plain-http", is_flag=True, help="Reach the OCI registry without TLS."),
)
_output = click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    help="Form of the answer.",
)
_report = click.option(
    "--trivy-report",
    type=_FILE,
    help="Report of `trivy image --format json` over the image.",
)
_database = click.option(
    "--database-updated",
    metavar="TIME",
    help="When Trivy's database was updated: VulnerabilityDB.UpdatedAt of `trivy version "
    "--format json`, as 2026-11-20T06:00:00Z. The report does not say.",
)


@click.group(epilog=_EXIT)
@click.version_option(package_name="interlock")
def main() -> None:
    """Publish models, image signatures and scans, as Interlock's gates ask for them."""


@main.command(epilog=_EXIT)
@click.argument("model", type=_FOLDER)
@click.option("--name", required=True, help="Registered model; made if it is not there.")
@click.option("--mlflow", required=True, metavar="URL", help="Address of the MLflow server.")
@click.option("--username", help="MLflow account of the trainer.")
@click.option("--password-file", type=_FILE, help="File with that account's password.")
@click.option("--experiment", default="", help="MLflow experiment of the run. Default: the name.")
@click.option(
    "--registry",
    required=True,
    metavar="REPO",
    help="OCI repository of the model's volume, as registry.example/models/press-scheduler.",
)
@click.option("--image", help="Also sign this image, registry/repository@sha256:…")
@click.option("--builder-token-file", type=_FILE, help="Identity token that signs the image.")
@_report
@_database
@click.option("--scanner-token-file", type=_FILE, help="Identity token that signs the scan.")
@_signing
@_registry
@_output
def publish(**given: Any) -> None:
    """Register, push and sign the model in folder MODEL; with --image, sign image and scan too.

    The image is signed with --builder-token-file, the scan (--trivy-report and
    --database-updated) with --scanner-token-file; each defaults to --identity-token-file.
    """
    with _sentences():
        _check_before(given)
        model = _publish_model(given)
        about_image = dict(_about_image(given))
        if given["output"] == "json":
            _print_json({"model": dataclasses.asdict(model), **_dicts(about_image)})
            return
        _say_model(model)
        for attached in about_image.values():
            _say_attached(attached)


@main.command("sign-image", epilog=_EXIT)
@click.argument("image")
@_signing
@_registry
@_output
def sign_image(**given: Any) -> None:
    """Sign IMAGE (registry/repository@sha256:…) as its builder, and attach the signature."""
    with _sentences():
        signer = _signer(given, "identity_token_file")
        attached = publishing.sign_image(given["image"], access=_access(given), signer=signer)
        _answer(given, "image", attached)


@main.command("attach-scan", epilog=_EXIT)
@click.argument("image")
@_report
@_database
@_signing
@_registry
@_output
def attach_scan(**given: Any) -> None:
    """Sign a Trivy report about IMAGE (registry/repository@sha256:…) as the scanner, attach it."""
    with _sentences():
        _answer(given, "scan", _scan(given, "identity_token_file"))


def _check_before(given: Mapping[str, Any]) -> None:
    """Raise BadInput for what would fail after the model is out."""
    if given["trivy_report"] and not given["image"]:
        raise BadInput("--trivy-report says what was found in --image; give both.")
    if given["image"]:
        pinned(given["image"])
        _signer(given, "builder_token_file")
    if given["trivy_report"]:
        _scanned(given)
        _signer(given, "scanner_token_file")


def _publish_model(given: Mapping[str, Any]) -> PublishedModel:
    return publishing.publish_model(
        given["model"],
        given["name"],
        mlflow=Mlflow(given["mlflow"], _login(given)),
        volume=Repository(given["registry"], _access(given)),
        signer=_signer(given, "identity_token_file"),
        experiment=given["experiment"],
    )


def _about_image(given: Mapping[str, Any]) -> Iterator[tuple[str, Attached]]:
    if given["image"]:
        signer = _signer(given, "builder_token_file")
        access = _access(given)
        yield "image", publishing.sign_image(given["image"], access=access, signer=signer)
    if given["trivy_report"]:
        yield "scan", _scan(given, "scanner_token_file")


def _scan(given: Mapping[str, Any], token: str) -> Attached:
    report, database_updated = _scanned(given)
    return publishing.attach_scan(
        given["image"],
        report,
        database_updated,
        access=_access(given),
        signer=_signer(given, token),
        now=datetime.now(UTC),
    )


def _scanned(given: Mapping[str, Any]) -> tuple[Report, datetime]:
    if not (given["trivy_report"] and given["database_updated"]):
        raise BadInput(
            "--trivy-report and --database-updated go together: a scan is as old as its database. "
            "Make the report with `trivy image --format json`; the time is "
            "VulnerabilityDB.UpdatedAt of `trivy version --format json`."
        )
    updated = moment(given["database_updated"], "--database-updated")
    return read_report(given["trivy_report"]), updated


def _signer(given: Mapping[str, Any], token: str) -> Signer:
    return Signer.load(given["trust_config"], given[token] or given["identity_token_file"])


def _access(given: Mapping[str, Any]) -> Access:
    file: Path | None = given["registry_auth_file"]
    if file is None:
        return Access(given["plain_http"])
    user, colon, password = file.read_text().strip().partition(":")
    if not colon:
        raise BadInput(f"{file} holds no `user:password`.")
    return Access(given["plain_http"], (user, password))


def _login(given: Mapping[str, Any]) -> tuple[str, str] | None:
    if bool(given["username"]) != bool(given["password_file"]):
        raise BadInput("--username and --password-file go together; give both or neither.")
    if not given["username"]:
        return None
    return given["username"], given["password_file"].read_text().strip()


def _answer(given: Mapping[str, Any], what: str, attached: Attached) -> None:
    if given["output"] == "json":
        _print_json(_dicts({what: attached}))
    else:
        _say_attached(attached)


def _say_model(model: PublishedModel) -> None:
    click.echo(
        f"Registered {model.name} version {model.version}: {model.files} files, signed by "
        f"{model.identity} ({model.issuer}), run {model.run}.\n"
        "In the AgentDeployment:\n\n"
        f"  model:\n    name: {model.name}\n"
        f'    version: "{model.version}"\n'
        f"    tree: {model.tree}\n    volume: {model.volume}\n"
    )


def _say_attached(attached: Attached) -> None:
    what = attached.predicate_type
    found = f" with {attached.findings} findings" if what.endswith("v0.2") else ""
    click.echo(
        f"Attached to {attached.image}: {what}{found}, signed by {attached.identity} "
        f"({attached.issuer}), as {attached.bundle}."
    )


def _dicts(attached: Mapping[str, Attached]) -> dict[str, object]:
    return {what: dataclasses.asdict(each) for what, each in attached.items()}


def _print_json(value: Mapping[str, object]) -> None:
    click.echo(json.dumps(value, indent=2))


@contextmanager
def _sentences() -> Iterator[None]:
    """End with the sentence and the exit code of what went wrong."""
    try:
        yield
    except PipelineError as error:
        click.echo(f"Error: {error}", err=True)
        raise click.exceptions.Exit(error.exit_code) from error


if __name__ == "__main__":
    main()
