"""Commands that sign: `init`, `key`, `sign`, `rotate` and `revoke`; and the group of all."""

from collections.abc import Mapping
from datetime import timedelta
from importlib import resources
from pathlib import Path

import click
from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined]

from interlock.cli import exits, tufrepo
from interlock.cli.governance import looking, showing
from interlock.cli.governance.shared import (
    DIRECTORY,
    KEYS,
    YES,
    explained,
    lifetime,
    say_signed,
    secret,
)
from interlock.cli.tables import printable
from interlock.cli.tufinit import Holders
from interlock.cli.tufkeys import new_keys, own_key, public_key, show_key
from interlock.cli.tufroles import Rotation
from interlock.cli.tufsession import Agree, Joining
from interlock.policy.parse import TARGETS
from interlock.policy.revocations import LISTS, Entry

ROLES = ("root", "targets", "snapshot", "timestamp", "revocations")


@click.group(epilog=exits.HELP)
def governance() -> None:
    """Create, sign and inspect the governance repository.

    A change to policy counts once enough holders signed it and it is pushed.
    """


for _command in (
    looking.status,
    looking.verify,
    looking.diff,
    looking.explain,
    looking.lint,
):
    governance.add_command(_command)


@governance.command()
@DIRECTORY
@KEYS
@click.option(
    "--holder",
    "holders",
    multiple=True,
    metavar="NAME[=FILE]",
    help="Who signs root and targets; FILE is the public key of one who made it (see `key`).",
)
@click.option("--threshold", type=click.IntRange(1, 64), default=1, help="How many of them must.")
@explained
def init(directory: Path, keys: Path, holders: tuple[str, ...], threshold: int) -> None:
    """Create keys, metadata and commented example targets in DIR.

    Targets that are there already are kept and signed. Without --holder there is one key for the
    root and one for the targets.
    """
    shown = _public(holders)
    made = tuple(each for each in holders if "=" not in each)
    signed = tufrepo.init(directory, keys, example_targets(), Holders(made, shown, threshold))
    say_signed(signed)
    names = ", ".join(sorted(file.stem for file in keys.glob("*.pem")))
    click.echo(
        f"Keys {names} are in {keys}: give each to its owner, keep those of root offline.\n"
        f"Give {directory / 'metadata' / '1.root.json'} to every operator (configuration "
        "governance.rootFile), not by way of this repository.\n"
        "Put your Sigstore's trusted_root.json in targets/; the example trusts nobody."
    )


@governance.command()
@click.argument("name")
@KEYS
@explained
def key(name: str, keys: Path) -> None:
    """Make a key of your own: NAME.pem stays with you, NAME.pub is for the others."""
    new_keys(keys, [name])
    shown = show_key(keys, name)
    click.echo(f"Keep {keys / name}.pem; give {shown} to whoever adds you.")


@governance.command()
@DIRECTORY
@KEYS
@click.option(
    "--expires",
    callback=lifetime,
    metavar="TIME",
    help="How long what is signed now counts, such as 12h or 30d; else by role, see status.",
)
@YES
@explained
def sign(directory: Path, keys: Path, expires: timedelta | None, yes: bool) -> None:
    """Sign what your keys may: edits of targets, what ends soon, and what others proposed.

    Signatures gather in pending/ until there are enough. With a key of CI or on-call, what is
    complete counts from then on, and a new timestamp is signed.
    """
    signed = tufrepo.sign(directory, keys, expires=expires, agree=_asking(yes), ask=secret)
    say_signed(signed)
    if signed.unsigned and not signed.published and not signed.added:
        raise exits.Refused(f"none of the keys in {keys} may sign that; ask who holds one")


@governance.command()
@DIRECTORY
@KEYS
@click.option("--role", "roles", multiple=True, type=click.Choice(ROLES), help="Only of this role.")
@click.option(
    "--add", multiple=True, metavar="NAME[=FILE]", help="A new key, or its public half in FILE."
)
@click.option("--remove", multiple=True, metavar="NAME", help="A key that no longer counts.")
@click.option("--threshold", type=click.IntRange(1, 64), help="How many must sign.")
@YES
@explained
def rotate(
    *,
    directory: Path,
    keys: Path,
    roles: tuple[str, ...],
    add: tuple[str, ...],
    remove: tuple[str, ...],
    threshold: int | None,
    yes: bool,
) -> None:
    """Change who may sign. The old keys sign it, and so do the new ones.

    A new key takes the roles of those that --remove names, or those of --role.
    """
    if not roles and not remove:
        raise click.UsageError("name the roles with --role, or the key that goes with --remove")
    change = Rotation(roles, _added(keys, add), remove, threshold)
    say_signed(tufrepo.rotate(directory, keys, change, agree=_asking(yes), ask=secret))


@governance.command()
@DIRECTORY
@KEYS
@click.option("--digest", help="Content, behaviour, model tree, image, bundle or its statement.")
@click.option("--identity", help="A signer, exactly as its certificates say; needs --issuer.")
@click.option("--issuer", help="The issuer of --identity.")
@click.option("--key", help="A managed key (sha256:…) or a person's SSH key (SHA256:…).")
@click.option("--scanner", help="A scanner, by its URI or its image (sha256:…).")
@click.option("--person", help="All approvals of a person, by the id in people.yaml.")
@click.option("--approval", "nonce", metavar="NONCE", help="One approval.")
@click.option("--since", metavar="TIME", help="Only what was signed from then on (RFC 3339).")
@click.option("--reason", required=True, help="Why; shown to everyone whom it stops.")
@explained
def revoke(*, directory: Path, keys: Path, **said: str | None) -> None:
    """Revoke something or somebody and sign; the key `oncall` is enough."""
    say_signed(tufrepo.revoke(directory, keys, _entry(said), ask=secret))
    click.echo("Commit and push: what runs under it is cut when the operator next reads it.")


def example_targets() -> dict[str, bytes]:
    """Return targets that are valid, commented, and let nothing run."""
    folder = resources.files("interlock.cli") / "example_targets"
    return {name: (folder / name).read_bytes() for name in TARGETS}


def _entry(said: Mapping[str, str | None]) -> Entry:
    given = {name: value for name, value in said.items() if value is not None}
    if "digest" in given:
        given["digest"] = given["digest"].removeprefix("sha256:")
    about = set(given) - {"reason", "since"}
    for kind, (_, fields) in LISTS.items():
        if about == set(fields) and given.keys() <= kind.model_fields.keys():
            return kind.model_validate(given)
    raise click.UsageError(
        "give either --digest, --key, --scanner, --person, --approval, or --identity and "
        "--issuer; --since goes with a signer, a key or a scanner"
    )


def _public(given: tuple[str, ...]) -> dict[str, SSlibKey]:
    pairs = [each.partition("=") for each in given if "=" in each]
    return {name: public_key(name, Path(file)) for name, _, file in pairs}


def _added(keys: Path, add: tuple[str, ...]) -> dict[str, SSlibKey]:
    """Return the keys to add; one that is named alone is made, unless it is there already."""
    named = {each for each in add if "=" not in each}
    if missing := [name for name in named if not (keys / f"{name}.pem").exists()]:
        new_keys(keys, missing)
    return _public(add) | {name: own_key(keys, name, secret) for name in named}


def _asking(yes: bool) -> Agree:
    """Return how a holder is asked about what somebody else proposed."""

    def agree(joining: Joining) -> bool:
        by = ", ".join(joining.signed) or "nobody yet"
        click.echo(printable(f"{joining.role} {joining.version}, signed by {by}:"))
        for line in showing.proposal(joining):
            click.echo(printable(line))
        return yes or click.confirm(f"Sign {joining.role} {joining.version}?")

    return agree
