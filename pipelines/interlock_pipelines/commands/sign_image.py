"""`sign-image`: the builder's word that an image is his."""

from typing import Any

import click

from interlock_pipelines import publish as publishing
from interlock_pipelines.commands import answer, options


@click.command("sign-image", epilog=options.EXIT)
@click.argument("image")
@options.signing
@options.registry
@options.dry_run
@options.output
def sign_image(**given: Any) -> None:
    """Sign IMAGE (registry/repository@sha256:…) as its builder, and attach the signature."""
    with answer.sentences():
        access = options.access_of(given)
        if given["dry_run"]:
            answer.would_sign(publishing.image_claim(given["image"], access=access))
            return
        signer = options.signer_of(given)
        done = publishing.sign_image(given["image"], access=access, signer=signer)
        answer.attached(given["output"], "image", done)
