"""What the configuration file must say about how models get into pods."""

import pytest
from pydantic import ValidationError

from interlock.api.config import Config, Git, longest_prefix

COPIER = "registry.example/interlock/copier@sha256:" + "c0" * 32


def config(**fields: str) -> Config:
    return Config.model_validate(fields)


def test_models_are_image_volumes_unless_it_says_otherwise() -> None:
    assert config().copier == ""
    assert config(modelCopier=COPIER).copier == ""
    assert config(modelDelivery="InitContainer", modelCopier=COPIER).copier == COPIER


@pytest.mark.parametrize("copier", ["", COPIER.partition("@")[0], COPIER.replace("@", ":1@")[:-1]])
def test_init_containers_need_the_copier_by_digest(copier: str) -> None:
    with pytest.raises(ValidationError, match=r"@sha256|pattern"):
        config(modelDelivery="InitContainer", modelCopier=copier)


def test_another_delivery_is_refused() -> None:
    with pytest.raises(ValidationError, match="ImageVolume"):
        config(modelDelivery="Download")


@pytest.mark.parametrize(
    ("url", "fits"),
    [
        ("https://git.example", True),
        ("https://git.example/line-4/agents.git", True),
        ("https://git.example.evil.example/x.git", False),
        ("https://git.example:8443/x.git", False),
    ],
)
def test_a_token_goes_to_the_host_that_was_named_and_no_other(url: str, fits: bool) -> None:
    access = Git(prefix="https://git.example")
    assert longest_prefix([access], url) == (access if fits else None)
    folder = Git(prefix="https://git.example/line-4/")
    assert longest_prefix([folder, access], "https://git.example/line-4/x") is folder
