"""`evaluate`: the evaluator's word of how a model did in a suite of tests."""

from typing import Any

import click

from interlock.api.facts import TEST_RESULT
from interlock_pipelines import claim, evaluation
from interlock_pipelines.commands import answer, options, placing
from interlock_pipelines.materials import material, materials


@click.command(epilog=options.EXIT)
@click.argument("model")
@click.option(
    "--results",
    type=options.FILE,
    required=True,
    help='What the harness found: {"passed": […], "warned": […], "failed": […], "metrics": {…}}.',
)
@click.option("--suite", required=True, help="The suite of tests: a path, or NAME=sha256:…")
@click.option(
    "--dataset",
    multiple=True,
    help="Data that it ran on: a path, or NAME=sha256:… May be given several times.",
)
@options.version
@options.signing
@options.dry_run
@options.output
def evaluate(**given: Any) -> None:
    """Sign the results of an evaluation of MODEL (a folder, or its tree digest) as evaluator.

    The statement (in-toto test-result v0.1) is put beside the model's version in MLflow. A
    failed evaluation is signed like any other: the newest one counts.
    """
    with answer.sentences():
        results = evaluation.read_results(given["results"])
        suite, datasets = material(given["suite"]), materials(given["dataset"])
        said = evaluation.predicate(results, suite, datasets)
        made = claim.about_model(claim.tree_digest(given["model"]), TEST_RESULT, said)
        put = placing.beside_model(given, "evaluation")
        placing.settle(given, "evaluation", made, put)
