"""`make demo`: runs the story, prints a table of its steps, exits 0 only if all held."""

import dataclasses
import json
import os
import signal
import sys
import time
import traceback

import click

from interlock_sandbox.demo import policy, show
from interlock_sandbox.demo.story import STEPS, Story
from interlock_sandbox.demo.world import PARTS, World
from interlock_sandbox.sandbox import Sandbox


@click.command()
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json"]),
    default="table",
    help="json: the table once more, as the last line.",
)
@click.option("--keep", is_flag=True, help="Leave everything running, and say how to use it.")
def main(output: str, keep: bool) -> None:
    """Tell the whole story on real programs. Exit code 0 only if every step held."""
    began = time.monotonic()
    click.echo("Kubernetes, MLflow, Sigstore, an OCI registry and git come up (control plane) …")
    with Sandbox(PARTS) as sandbox:
        show.say(f"ready after {sandbox.state.seconds:.1f} s")
        show.say(f"this governance uses short times: {policy.SHORT_TIMES}")
        world = World(sandbox)
        try:
            world.set_up()
            rows = _tell(Story(world))
            show.table(rows)
            held = len(rows) == len(STEPS) and all(row.held for row in rows)
            click.echo(
                f"\n{sum(row.held for row in rows)} of {len(STEPS)} steps held, "
                f"{time.monotonic() - began:.0f} s in all."
            )
            if output == "json":
                click.echo(json.dumps([dataclasses.asdict(row) for row in rows]))
            if keep:
                _wait(world)
        finally:
            world.stop()
    sys.exit(0 if held else 1)


def _tell(story: Story) -> list[show.Row]:
    rows = []
    for number, tell in enumerate(STEPS, start=1):
        title = (tell.__doc__ or "").strip()
        show.step(number, title)
        began = time.monotonic()
        try:
            remark, held = tell(story), True
        except show.Unheld as error:
            remark, held = str(error), False
        except Exception:  # a step that raises did not hold; the reader needs the reason
            remark, held = traceback.format_exc(limit=4), False
        rows.append(show.Row(number, title, held, time.monotonic() - began, remark))
        show.say(remark)
        if not held:
            click.echo(story.world.tails())
            break
    return rows


def _wait(world: World) -> None:
    click.echo(
        f"\nEverything keeps running. In another shell:\n"
        f"  export KUBECONFIG={world.sandbox.kubeconfig} INTERLOCK_CONFIG={world.config}\n"
        f"  kubectl get ad -A;  kubectl interlock why press-scheduler -n line-4\n"
        f"MLflow {world.outputs['mlflow_url']} (password in "
        f"{world.outputs['mlflow_trainer_password_file']}), git {world.outputs['git_url']}.\n"
        f"Ctrl-C ends and removes it all."
    )
    signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    main()
