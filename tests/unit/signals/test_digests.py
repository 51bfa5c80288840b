from typing import Any

import pytest

from interlock.api.observed import Vote
from interlock.signals import digests
from support.live import IMAGE, NOW, POLICY, VOLUME, container, deployment, live, pod, spec

COPIER = "registry.example/interlock/copier@sha256:" + "c0" * 32
OTHER = "registry.example/agents/press@sha256:" + "66" * 32


def voted(*containers: dict[str, Any], **changes: Any) -> Vote | None:
    return digests.vote(live(pod(), pod(*containers), **changes), POLICY, NOW)


def mounted(reference: str) -> list[dict[str, Any]]:
    volume = {"name": "volume-1", "volumeStatus": {"image": {"imageRef": reference}}}
    return [{"name": "tmp", "mountPath": "/tmp"}, volume]


def isolated(vote: Vote | None) -> bool:
    return vote is not None and (vote.verdict, vote.action, vote.lasting) == (
        "bad",
        "quarantine",
        True,
    )


def good(vote: Vote | None) -> bool:
    return vote is not None and vote.verdict == "good"


def test_another_image_is_isolated() -> None:
    vote = voted(container(imageID=OTHER))
    assert isolated(vote)
    assert vote is not None
    assert vote.message == (
        "container agent of press-04bd62f1aa-x2x9q runs sha256:666666666666, "
        "the spec pins sha256:5b5b5b5b5b5b"
    )


@pytest.mark.parametrize("stand", ["candidate", "baking", "steady"])
def test_wherever_it_stands(stand: str) -> None:
    assert isolated(voted(container(imageID=OTHER), stand=stand))


@pytest.mark.parametrize("kind", ["initContainerStatuses", "ephemeralContainerStatuses"])
def test_a_container_of_any_kind_counts(kind: str) -> None:
    foreign = pod()
    foreign["status"][kind] = [container(name="debug", imageID=OTHER)]
    assert isolated(digests.vote(live(foreign), POLICY, NOW))


def copying(*init: tuple[str, str]) -> Vote | None:
    """The vote on a pod whose init containers (name, image) run; two of them are rendered."""
    named = [{"name": "copier", "image": COPIER}, {"name": "model", "image": VOLUME}]
    of = deployment()
    of["spec"]["template"] = {"spec": {"initContainers": named}}
    copied = pod()
    copied["status"]["initContainerStatuses"] = [
        container(name=name, imageID=image) for name, image in init
    ]
    return digests.vote(live(copied, of=of), POLICY, NOW)


def test_an_init_container_runs_the_image_that_was_rendered_for_it() -> None:
    assert good(copying(("copier", COPIER), ("model", VOLUME)))
    for foreign in (("copier", OTHER), ("model", COPIER), ("other", COPIER), ("other", IMAGE)):
        assert isolated(copying(("copier", COPIER), foreign)), foreign


def test_the_pinned_image_is_good_wherever_it_was_pulled_from() -> None:
    mirrored = "mirror.example/any@sha256:" + "5b" * 32
    assert good(voted(container(imageID=mirrored)))
    assert good(voted(container(imageID=f"docker-pullable://{IMAGE}")))


UNKNOWN = ["", "sha256:" + "66" * 32, "registry.example/agents/press:1", None, 7, OTHER + "x"]


@pytest.mark.parametrize("unknown", UNKNOWN)
def test_what_names_no_manifest_is_no_vote(unknown: object) -> None:
    assert voted(container(imageID=unknown)) is None


def test_without_pods_there_is_no_vote() -> None:
    assert digests.vote(live(), POLICY, NOW) is None


def test_one_foreign_image_is_not_hidden_by_an_unknown_one() -> None:
    assert isolated(voted(container(imageID=""), container(imageID=OTHER)))


def test_another_model_is_isolated() -> None:
    model = VOLUME.replace("7e", "66")
    vote = voted(container(volumeMounts=mounted(model)))
    assert isolated(vote)
    assert vote is not None
    assert vote.message.startswith("image volume volume-1 of press-04bd62f1aa-x2x9q runs sha256:66")


def test_the_pinned_model_is_good_and_an_unknown_one_changes_nothing() -> None:
    assert good(voted(container(volumeMounts=mounted(VOLUME))))
    assert good(voted(container(volumeMounts=mounted("sha256:" + "66" * 32))))


def test_an_image_volume_that_the_spec_does_not_have_is_isolated() -> None:
    vote = voted(container(volumeMounts=mounted(VOLUME)), wants=spec(model=None))
    assert isolated(vote)
    assert vote is not None
    assert vote.message.endswith("the spec pins no image there")


def test_without_a_pin_there_is_nothing_to_compare() -> None:
    assert voted(wants=spec(image="registry.example/agents/press:1")) is None
