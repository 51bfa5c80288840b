"""What all commands of the plugin share: which cluster, which form of answer, which names exist."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any

import click

from interlock.api import names
from interlock.cli import complete
from interlock.cli.kubectl import Kubectl

FORMS = ("text", "json", "yaml", "name")


@dataclass(frozen=True, slots=True)
class Printer:
    """Prints an answer in the form that was asked for."""

    form: str

    def __call__(self, body: object, lines: Iterable[str], objects: Sequence[str]) -> None:
        """Print `body` for programs, `lines` for people, or the names of `objects`."""
        if self.form == "json":
            lines = [json.dumps(body, indent=2, ensure_ascii=False)]
        elif self.form == "yaml":
            lines = ["---", _yaml(body)]
        elif self.form == "name":
            lines = objects
        for line in lines:
            click.echo(line)


def named(kind: str, *objects: str) -> list[str]:
    """Return how `-o name` calls objects of ours, such as `agentrollback.interlock.dev/x`."""
    return [f"{kind.lower()}.{names.GROUP}/{name}" for name in objects]


def cluster(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say which cluster, and `kubectl` and `out` in their place."""

    @click.option("--kubeconfig", default="", metavar="FILE", help="As kubectl takes it.")
    @click.option("--context", default="", metavar="NAME", help="As kubectl takes it.")
    @click.option("-n", "--namespace", default="", help="The team's namespace.")
    @click.option("-o", "--output", type=click.Choice(FORMS), default="text", show_default=True)
    @wraps(command)
    def with_kubectl(
        kubeconfig: str, context: str, namespace: str, output: str, **options: Any
    ) -> None:
        kubectl = Kubectl(kubeconfig, context, namespace)
        command(kubectl=kubectl, out=Printer(output), **options)

    return with_kubectl


def example(*lines: str) -> str:
    """Return the epilog of a command: what one types."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)


AGENT = click.argument("name", shell_complete=complete.agents)
REASON = click.option(
    "--reason", required=True, help="Recorded with your name; 1 to 512 characters."
)
WAIT = click.option("--no-wait", is_flag=True, help="Return once the request is created.")


def _yaml(body: object) -> str:
    import yaml  # noqa: PLC0415 - costs what no other form needs

    text: str = yaml.safe_dump(body, sort_keys=False, allow_unicode=True)
    return text.rstrip()
