"""Whatever is wrong with the configuration file is one sentence that names the file."""

from pathlib import Path

import pytest

from interlock.policy import settings


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("cluster: east\nverifier: {socket: /run/verifier.sock}\n")
    config = settings.read(path)
    assert (config.cluster, config.verifier and config.verifier.socket.name) == (
        "east",
        "verifier.sock",
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("verifier: {}", "verifier.socket: Field required"),
        ("unheard: 1", "unheard"),
        ("cluster: [", "this is not YAML"),
        ("cluster: a\ncluster: b\n", "occurs twice"),
        ("git: [{prefix: 'ssh://git@git.example/'}]", "git over SSH is not built"),
        ("# " + "x" * settings.MAX_BYTES, "bytes"),
    ],
)
def test_what_cannot_be_used_is_said(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(settings.SettingsError) as error:
        settings.read(path)
    assert str(path) in str(error.value)
    assert expected in str(error.value)


def test_a_file_that_is_missing_or_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(settings.SettingsError, match="there is no configuration"):
        settings.read(tmp_path / "none.yaml")
    with pytest.raises(settings.SettingsError, match="cannot be read: Is a directory"):
        settings.read(tmp_path)


def test_many_complaints_are_shortened(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("".join(f"unheard{n}: 1\n" for n in range(8)))
    with pytest.raises(settings.SettingsError, match="; and 3 more"):
        settings.read(path)
