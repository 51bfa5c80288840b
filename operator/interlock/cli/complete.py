"""Completion by TAB: commands, options, agents and revisions, within a second or not at all.

Click speaks bash, zsh and fish for `kubectl-interlock`. kubectl (since 1.26) completes the plugin
itself, if it finds a program `kubectl_complete-interlock`: that is `main` here.
"""

import sys
from typing import TYPE_CHECKING

import click

from interlock.api import names

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from interlock.cli.kubectl import Kubectl, Object

PATIENCE = 1
"""Seconds that a name may take; whoever presses TAB waits."""
MOST = 100
"""Names that are offered at most."""
NO_FILES = 4
"""ShellCompDirectiveNoFileComp of cobra, whose protocol kubectl speaks."""


def agents(ctx: click.Context, param: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    """Offer the agents of the namespace."""
    kubectl = _kubectl(ctx)
    found = _items(kubectl, "agentdeployments", kubectl.namespace)
    return _offered([(one["metadata"]["name"], _serves(one)) for one in found], incomplete)


def revisions(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> "list[CompletionItem]":
    """Offer the short digests of the named agent's revisions."""
    kubectl = _kubectl(ctx)
    # Where an option still lacks its value, click has not got as far as the arguments.
    name = ctx.params.get("name") or next(iter(ctx.args), "")
    home = names.agent_namespace(kubectl.namespace, name)
    found = _items(kubectl, "agentrevisions", home)
    rows = [(one["spec"]["digest"][:10], one["metadata"]["creationTimestamp"]) for one in found]
    return _offered(rows, incomplete)


def sides(ctx: click.Context, param: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    """Offer what `diff` compares: a role or a revision."""
    words = _offered([("serving", "what serves"), ("candidate", "what is wanted")], incomplete)
    return words + revisions(ctx, param, incomplete)


@click.command(epilog='\b\nExample:\n  eval "$(kubectl interlock completion bash)"')
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that completes `kubectl-interlock` in a shell.

    `kubectl interlock` itself is completed by kubectl's own script (`kubectl completion --help`)
    while `kubectl_complete-interlock` is on PATH.
    """
    from click.shell_completion import get_completion_class  # noqa: PLC0415 - only here

    from interlock.cli.plugin import COMPLETE, interlock  # noqa: PLC0415 - it lists this one

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"click knows no shell {shell}")
    click.echo(kind(interlock, {}, "kubectl-interlock", COMPLETE).source())


def main() -> None:
    """Answer kubectl: what may follow these words, and that no file may."""
    from click.shell_completion import ShellComplete  # noqa: PLC0415 - only here

    from interlock.cli.plugin import COMPLETE, interlock  # noqa: PLC0415 - it lists this one

    *before, last = sys.argv[1:] or [""]
    asked = ShellComplete(interlock, {}, "kubectl interlock", COMPLETE)
    for item in asked.get_completions(before, last):
        click.echo(f"{item.value}\t{item.help}" if item.help else item.value)
    click.echo(f":{NO_FILES}")


def _kubectl(ctx: click.Context) -> "Kubectl":
    from interlock.cli.kubectl import Kubectl  # noqa: PLC0415 - `--help` completes nothing

    given = [ctx.params.get(option) or "" for option in ("kubeconfig", "context", "namespace")]
    return Kubectl(*given, patience=PATIENCE)


def _items(kubectl: "Kubectl", plural: str, namespace: str) -> "list[Object]":
    from interlock.cli.kubectl import collection  # noqa: PLC0415 - as above

    try:
        return kubectl.items(collection(plural, namespace))
    except click.ClickException:  # a shell shows no errors; it offers nothing
        return []


def _serves(agent: "Object") -> str:
    return f"serves {(agent.get('status') or {}).get('serving', '-')}"


def _offered(rows: list[tuple[str, str]], incomplete: str) -> "list[CompletionItem]":
    from click.shell_completion import CompletionItem  # noqa: PLC0415 - only shells ask

    fitting = [(name, about) for name, about in rows if name.startswith(incomplete)]
    return [CompletionItem(name, help=about) for name, about in fitting[:MOST]]
