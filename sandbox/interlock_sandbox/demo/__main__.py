"""`make demo`: runs the story, prints a table of its steps, exits 0 only if all held."""

import dataclasses
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Sequence

import click

from interlock_sandbox.demo import policy, profile, show, traffic, trivy
from interlock_sandbox.demo.processes import BIN
from interlock_sandbox.demo.profile import NODE, Profile
from interlock_sandbox.demo.steps import CUTS, Step, steps
from interlock_sandbox.demo.story import Story
from interlock_sandbox.demo.world import World
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
@click.option(
    "--profile",
    "asked",
    type=click.Choice(profile.NAMES),
    help="node: pods run. control-plane: pods are pretended. The first one where it can run.",
)
def main(output: str, keep: bool, asked: str | None) -> None:
    """Tell the whole story on real programs. Exit code 0 only if every step held."""
    began = time.monotonic()
    lacking = trivy.prepare()
    chosen, why = profile.choose(asked)
    click.echo(f"Profile {chosen.name} ({chosen.pods}), because {why}.")
    click.echo("Kubernetes, MLflow, Sigstore, an OCI registry and Gitea come up …")
    told = steps(chosen)
    with trivy.engine(lacking) as (docker, why_not), Sandbox(chosen.parts) as sandbox:
        show.say(f"ready after {sandbox.state.seconds:.1f} s")
        click.echo(trivy.told(why_not))
        world = World(sandbox, docker)
        show.say(f"this governance uses short times: {policy.short_times(world)}")
        try:
            world.set_up()
            rows = _tell(Story(world), told)
            held = len(rows) == len(told) and all(row.held for row in rows)
            click.echo(
                f"\n{sum(row.held for row in rows)} of {len(told)} steps held, "
                f"{time.monotonic() - began:.0f} s in all."
            )
            if output == "json":
                click.echo(json.dumps([dataclasses.asdict(row) for row in rows]))
            if keep:
                _wait(world)
        finally:
            world.stop()
    sys.exit(0 if held else 1)


def _tell(story: Story, told: Sequence[Step]) -> list[show.Row]:
    rows = []
    for number, step in enumerate(told, start=1):
        title = (step.__doc__ or "").strip()
        show.step(number, title)
        began = time.monotonic()
        remark, held = _one(story, step)
        rows.append(show.Row(number, title, held, time.monotonic() - began, remark))
        show.say(remark)
        if not held:
            click.echo(story.world.tails())
            break
    show.table(rows)
    if story.load:
        story.load.stop()
        traffic.table(story.load, story.transitions())
    return rows


def _one(story: Story, step: Step) -> tuple[str, bool]:
    """A step's remark, and whether it held: callers lose nothing unless traffic is cut."""
    since = time.time()
    try:
        remark = step(story)
        if story.load is None:
            return remark, True
        show.say(traffic.told(story.load, since))
        if step not in CUTS:
            traffic.hold_none_lost(story.load, since)
    except show.Unheld as error:
        return str(error), False
    except Exception:  # a step that raises did not hold; the reader needs the reason
        return traceback.format_exc(limit=4), False
    return remark, True


def _wait(world: World) -> None:
    click.echo(f"\nEverything keeps running. In another shell:\n{_enter(world.profile)}")
    click.echo(
        f"  export PATH={BIN}:$PATH KUBECONFIG={world.sandbox.kubeconfig} "
        f"INTERLOCK_CONFIG={world.config}\n"
        f"  kubectl get ad -A;  kubectl interlock why press-scheduler -n line-4\n"
        f"MLflow {world.outputs['mlflow_url']} (password in "
        f"{world.outputs['mlflow_trainer_password_file']})\n"
        f"Gitea  {world.forge.url} ({', '.join(world.forge.people)}; passwords in\n"
        f"{world.forge.password_file('<name>')}; certificate of {world.forge.ca_file})\n"
        f"Ctrl-C ends and removes it all."
    )
    signal.sigwait({signal.SIGINT, signal.SIGTERM})


def _enter(chosen: Profile) -> str:
    """How another shell comes into the network that everything runs in."""
    return f"  nsenter --net=/proc/{os.getpid()}/ns/net bash" if chosen is NODE else ""


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    main()
