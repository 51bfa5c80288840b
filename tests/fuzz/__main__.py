"""`python -m fuzz TARGET...`: fuzz for a while; exit 1 with the smallest input that broke it."""

import json
import secrets
import sys
from pathlib import Path

import click

from fuzz.harness import Report, fuzz
from fuzz.targets import TARGETS


@click.command()
@click.argument("targets", nargs=-1, type=click.Choice(list(TARGETS)))
@click.option("--seconds", default=20.0, show_default=True, help="For each target.")
@click.option("--seed", type=int, help="The same seed, the same inputs.")
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for inputs that break something.",
)
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text")
def main(
    targets: tuple[str, ...], seconds: float, seed: int | None, keep: Path | None, output: str
) -> None:
    """Fuzz TARGETS, or all of them."""
    start = secrets.randbelow(2**31) if seed is None else seed
    reports = [fuzz(TARGETS[name], seconds, start) for name in targets or TARGETS]
    for report in reports:
        if keep and report.failure:
            _keep(keep, report)
        click.echo(_as_json(report) if output == "json" else _as_text(report))
    sys.exit(1 if any(report.failure for report in reports) else 0)


def _keep(folder: Path, report: Report) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{report.target}.bin").write_bytes(report.failing)


def _as_json(report: Report) -> str:
    return json.dumps(vars(report) | {"failing": report.failing.hex()})


def _as_text(report: Report) -> str:
    ends = ", ".join(f"{count} {end}" for end, count in report.ends.most_common())
    said = (
        f"{report.target}: {report.cases} cases ({ends}); slowest {report.slowest * 1000:.0f} ms, "
        f"{report.memory_mib} MiB more; corpus {report.corpus}; seed {report.seed}"
    )
    if not report.failure:
        return said
    return f"{said}\n  {report.failure}\n  with {report.failing[:2000]!r}"


if __name__ == "__main__":
    main()
