"""`training`: the trainer's word of how a model came to be."""

from datetime import UTC, datetime
from typing import Any

import click

from interlock.api.facts import TRAINING
from interlock_pipelines import claim
from interlock_pipelines import training as record
from interlock_pipelines.commands import answer, options, placing
from interlock_pipelines.materials import materials
from interlock_pipelines.scan import moment


@click.command(epilog=options.EXIT)
@click.argument("model")
@click.option("--run", required=True, help="Identifier of the run that made it, as MLflow's.")
@click.option(
    "--dataset",
    multiple=True,
    required=True,
    help="Data that it was trained on: a path, or NAME=sha256:… May be given several times.",
)
@click.option(
    "--parameters", type=options.FILE, required=True, help="JSON object of the parameters."
)
@click.option("--commit", default="", help="Commit of the training's code, in full.")
@click.option("--finished", metavar="TIME", help="When it ended. Default: now.")
@options.version
@options.signing
@options.dry_run
@options.output
def training(**given: Any) -> None:
    """Sign how MODEL (a folder, or its tree digest) was trained, as trainer.

    The statement is put beside the model's version in MLflow.
    """
    with answer.sentences():
        finished = given["finished"]
        said = record.predicate(
            run=given["run"],
            datasets=materials(given["dataset"]),
            parameters=record.read_parameters(given["parameters"]),
            commit=given["commit"],
            finished=moment(finished, "--finished") if finished else datetime.now(UTC),
        )
        made = claim.about_model(claim.tree_digest(given["model"]), TRAINING, said)
        put = placing.beside_model(given, "training")
        placing.settle(given, "training", made, put)
