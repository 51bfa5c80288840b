"""What the configuration file must say about how models get into pods."""

import pytest
from pydantic import ValidationError

from interlock.api.config import Config

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
