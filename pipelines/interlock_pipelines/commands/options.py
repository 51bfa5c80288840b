"""Options that several verbs take, and what they become: one spelling and one meaning of each."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from interlock.evidence.http import shown
from interlock_pipelines.errors import BadInput
from interlock_pipelines.model import Mlflow
from interlock_pipelines.oci import Access
from interlock_pipelines.scan import Report, moment, read_report
from interlock_pipelines.sign import Signer

F = TypeVar("F", bound=Callable[..., Any])
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
EXIT = """
\b
Exit codes:
  0  all is done
  1  a service refused: wrong token, no right, unknown image
  2  a file or an argument is wrong
  3  a service gave no answer: start again later
"""


def options(*several: Callable[[F], F]) -> Callable[[F], F]:
    """Return options as one decorator, listed by `--help` in this order."""

    def add(command: F) -> F:
        for option in reversed(several):
            command = option(command)
        return command

    return add


signing = options(
    click.option(
        "--trust-config",
        type=FILE,
        help="Sigstore client trust configuration: trusted root and signing addresses.",
    ),
    click.option(
        "--identity-token-file",
        type=FILE,
        help="OIDC identity token for the audience `sigstore`; who it names is who signs.",
    ),
)
"""To sign; a dry run does without, so `signer_of` asks for what is missing."""
registry = options(
    click.option(
        "--registry-auth-file", type=FILE, help="File with `user:password` for the OCI registry."
    ),
    click.option("--plain-http", is_flag=True, help="Reach the OCI registry without TLS."),
)
output = click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    help="Form of the answer.",
)
dry_run = click.option(
    "--dry-run", is_flag=True, help="Check everything, say what would be done, and do nothing."
)
trivy_report = click.option(
    "--trivy-report",
    type=FILE,
    help="Report of `trivy image --format json` over the image.",
)
database_updated = click.option(
    "--database-updated",
    metavar="TIME",
    help="When Trivy's database was updated: VulnerabilityDB.UpdatedAt of `trivy version "
    "--format json`, as 2026-11-20T06:00:00Z. The report does not say.",
)
account = options(
    click.option("--username", help="MLflow account."),
    click.option("--password-file", type=FILE, help="File with that account's password."),
)
version = options(
    click.option("--mlflow", metavar="URL", help="Address of the MLflow server."),
    click.option("--name", help="Registered model that the evidence is put beside."),
    click.option("--model-version", metavar="NUMBER", help="Its version."),
    account,
)


def signer_of(given: Mapping[str, Any], file: str = "identity_token_file") -> Signer:
    """Return who signs. Raises BadInput for a token that is missing or cannot be used."""
    if not (given["trust_config"] and given["identity_token_file"]):
        raise BadInput(
            "To sign, --trust-config and --identity-token-file are needed; give both, or --dry-run."
        )
    return Signer.load(given["trust_config"], given[file] or given["identity_token_file"])


def access_of(given: Mapping[str, Any]) -> Access:
    """Return how the OCI registry is reached. Raises BadInput."""
    file: Path | None = given["registry_auth_file"]
    if file is None:
        return Access(given["plain_http"])
    user, colon, password = file.read_text().strip().partition(":")
    if not colon:
        raise BadInput(f"{file} holds no `user:password`.")
    return Access(given["plain_http"], (user, password))


def login_of(given: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the MLflow account, if any. Raises BadInput for half of one."""
    if bool(given["username"]) != bool(given["password_file"]):
        raise BadInput("--username and --password-file go together; give both or neither.")
    if not given["username"]:
        return None
    return given["username"], given["password_file"].read_text().strip()


def scanned(given: Mapping[str, Any]) -> tuple[Report, datetime]:
    """Return Trivy's report, and how old its database was. Raises BadInput."""
    if not (given["trivy_report"] and given["database_updated"]):
        raise BadInput(
            "--trivy-report and --database-updated go together: a scan is as old as its database. "
            "Make the report with `trivy image --format json`; the time is "
            "VulnerabilityDB.UpdatedAt of `trivy version --format json`."
        )
    updated = moment(given["database_updated"], "--database-updated")
    return read_report(given["trivy_report"]), updated


def pairs(given: Iterable[str], option: str) -> dict[str, str]:
    """Return `name=value` arguments as a mapping. Raises BadInput for another form, or twice."""
    found: dict[str, str] = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not (name and equals) or name in found:
            raise BadInput(f"{option} {shown(each, 120)!r}: expected NAME=VALUE, each name once.")
        found[name] = value
    return found


def mlflow_of(given: Mapping[str, Any]) -> Mlflow:
    """Return the server that a signed claim goes to. Raises BadInput where it is not named."""
    if not (given["mlflow"] and given["name"] and given["model_version"]):
        raise BadInput(
            "To put evidence beside a model, --mlflow, --name and --model-version are needed; "
            "`interlock-pipeline publish` printed name and version."
        )
    return Mlflow(given["mlflow"], login_of(given))
