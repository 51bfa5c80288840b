"""`interlock-pipeline`: what a CI job calls to publish a model and its evidence.

One command does all, and each part is a command of its own: where trainer, builder and scanner
are different jobs, none of them holds another's identity token. Commands are loaded when they are
called, so that `--help` and the shell's completion answer at once.
"""

import click

from interlock.cli.lazy import Lazy, LazyGroup

_COMMANDS = "interlock_pipelines.commands"
COMMANDS: dict[str, Lazy] = {
    "publish": Lazy(f"{_COMMANDS}.publish:publish", "Register, push and sign a model."),
    "sign-image": Lazy(f"{_COMMANDS}.sign_image:sign_image", "Sign an image as its builder."),
    "attach-scan": Lazy(f"{_COMMANDS}.attach_scan:attach_scan", "Sign and attach Trivy's report."),
    "provenance": Lazy(f"{_COMMANDS}.provenance:provenance", "Sign what an image was built of."),
    "evaluate": Lazy(f"{_COMMANDS}.evaluate:evaluate", "Sign how a model did in its tests."),
    "scan": Lazy(f"{_COMMANDS}.scan:scan", "Scan an image or a model with Trivy, and sign it."),
    "sbom": Lazy(f"{_COMMANDS}.sbom:sbom", "Sign what is in an image or a model."),
    "model-scan": Lazy(f"{_COMMANDS}.model_scan:model_scan", "Say what is in a model's files."),
    "propose": Lazy(f"{_COMMANDS}.propose:propose", "Open the change, for people to approve."),
    "training": Lazy(f"{_COMMANDS}.training:training", "Sign how a model was trained."),
}
_EPILOG = """
\b
Completion of the shell:
  bash  eval "$(_INTERLOCK_PIPELINE_COMPLETE=bash_source interlock-pipeline)"
  zsh   eval "$(_INTERLOCK_PIPELINE_COMPLETE=zsh_source interlock-pipeline)"
"""


@click.group(cls=LazyGroup, places=COMMANDS, epilog=_EPILOG)
@click.version_option(package_name="interlock")
def main() -> None:
    """Make, sign and publish the evidence that Interlock's gates ask for."""


if __name__ == "__main__":
    main()
