"""`model-scan`: what is in a model's files, and what the gate will say of it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import click

from interlock.api.content import Content
from interlock.api.values import GateResult, Outcome
from interlock.cli.tables import printable
from interlock_pipelines import claim, modelscan
from interlock_pipelines.commands import answer, options, placing
from interlock_pipelines.tree import read_tree

_FAILED = 1


@click.command("model-scan", epilog=options.EXIT)
@click.argument("model", type=options.FOLDER)
@click.option(
    "--gates",
    type=options.FILE,
    help="Governance's gates.yaml. Default: what holds where it says nothing.",
)
@click.option("--sign", is_flag=True, help="Also sign what was found, as model-scan/v1.")
@options.version
@options.signing
@options.dry_run
@options.output
def model_scan(**given: Any) -> None:
    """Look into the files in folder MODEL as Interlock will, and say what its gate will say.

    Nothing is loaded, unpacked to disk or run. Ends with 1 where the gate would refuse the model.
    No signature is needed: Interlock looks itself. --sign puts a statement of what was found
    beside the model's version in MLflow, for others.
    """
    with answer.sentences():
        gates = modelscan.read_gates(given["gates"])
        put = placing.beside_model(given, "model-scan") if given["sign"] else None
        tree = read_tree(given["model"])
        with answer.progress("Looking into the files", tree.size) as told:
            content = modelscan.inspect(replace(tree, told=told))
        now = datetime.now(UTC)
        result = modelscan.judge(tree, content, gates, now)
        if given["sign"]:
            said = modelscan.predicate(content, result, now)
            made = claim.about_model(tree.digest, modelscan.MODEL_SCAN, said)
            placing.settle(given, "modelScan", made, put)
        elif given["output"] == "json":
            found = content.model_dump(mode="json", by_alias=True)
            answer.print_json({"content": found, "gate": result.plain()})
        else:
            click.echo("\n".join(map(printable, _as_text(content, result))))
    if result.outcome is not Outcome.PASS:
        raise click.exceptions.Exit(_FAILED)


def _as_text(content: Content, result: GateResult) -> Iterator[str]:
    yield ", ".join(f"{count} {name}" for name, count in sorted(content.formats.items())) or "none"
    for fault in content.faults:
        yield f"  fault   {fault.path} ({fault.format or 'unknown'}): {fault.why}"
    for pickle in content.pickles:
        imports = ", ".join(pickle.imports) or "nothing"
        why = f"; {pickle.fault}" if pickle.fault else ""
        yield f"  pickle  {pickle.path} imports {imports}{why}"
    listed = {"loader": content.loaders, "code": content.code, "loose": content.loose}
    for kind, names in listed.items():
        yield from (f"  {kind:<7} {name}" for name in names)
    if content.more:
        yield f"  and {content.more} more"
    yield f"{result.gate}: {result.outcome.value}: {result.message}"
    yield from (f"  → {step}" for step in result.unblock)
