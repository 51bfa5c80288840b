"""The commands of `interlock governance`, on a tree of files."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from interlock.cli import tufrepo
from interlock.cli.governance import example_targets, governance
from interlock.cli.tufkeys import RepositoryRefused
from interlock.evidence.governance import load
from interlock.policy.parse import parse, parse_revocations
from interlock.policy.revocations import RevokedDigest
from support.govrepo import govrepo
from support.policies import targets

LEAK = RevokedDigest(digest="a" * 64, reason="leaks")


def run(*args: object) -> Result:
    return CliRunner().invoke(governance, [str(arg) for arg in args])


@pytest.fixture
def made(tmp_path: Path) -> tuple[Path, Path]:
    repo = govrepo(tmp_path)
    return repo.directory, repo.keys


def shown(directory: Path) -> Any:
    result = run("status", directory, "-o", "json")
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def versions(directory: Path) -> dict[str, int]:
    return {each["role"]: each["version"] for each in shown(directory)["roles"]}


def test_the_example_is_a_policy_that_grants_nothing() -> None:
    policy = parse(example_targets(), 1)
    assert policy.namespaces.namespaces == {}
    assert policy.trust.signers == []


def test_init_makes_a_repository_that_verifies(tmp_path: Path) -> None:
    directory, keys = tmp_path / "repo", tmp_path / "keys"
    result = run("init", directory, "--keys", keys)
    assert result.exit_code == 0, result.output
    assert "metadata/1.root.json" in result.output
    root = (directory / "metadata/1.root.json").read_bytes()
    assert load(tufrepo.read_from(directory), root).targets == example_targets()
    assert sorted(file.name for file in keys.iterdir()) == [
        "ci.pem",
        "oncall.pem",
        "root.pem",
        "targets.pem",
    ]
    assert {stat.S_IMODE(file.stat().st_mode) for file in keys.iterdir()} == {0o600}


def test_init_keeps_targets_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "repo/targets").mkdir(parents=True)
    mine = targets()["people.yaml"]
    (tmp_path / "repo/targets/people.yaml").write_bytes(mine)
    assert run("init", tmp_path / "repo", "--keys", tmp_path / "keys").exit_code == 0
    assert (tmp_path / "repo/targets/people.yaml").read_bytes() == mine


def test_init_happens_once(made: tuple[Path, Path], tmp_path: Path) -> None:
    result = run("init", made[0], "--keys", tmp_path / "more")
    assert result.exit_code == 1
    assert "is a governance repository already" in result.output


def test_init_does_not_overwrite_keys(made: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(RepositoryRefused, match="exists already"):
        tufrepo.init(tmp_path / "second", made[1], targets())


def test_status_names_what_nobody_signed(made: tuple[Path, Path]) -> None:
    directory, _ = made
    assert shown(directory) == shown(directory) | {"unsigned": [], "refused": ""}
    (directory / "targets/tiers.yaml").write_bytes(targets()["tiers.yaml"] + b"# more\n")
    assert shown(directory)["unsigned"] == ["tiers.yaml"]
    table = run("status", directory).output
    assert "tiers.yaml was changed and is not signed" in table
    assert "The signatures hold." in table


def test_status_says_what_is_wrong(made: tuple[Path, Path]) -> None:
    directory, _ = made
    for file in (directory / "targets").glob("*.tiers.yaml"):
        file.write_bytes(b"tiers: {}")
    assert "not the one that was signed" in shown(directory)["refused"]


def test_sign_signs_what_changed_and_the_timestamp(made: tuple[Path, Path]) -> None:
    directory, keys = made
    assert run("sign", directory, "--keys", keys).output == "Signed timestamp 2.\n"
    (directory / "targets/tiers.yaml").write_bytes(targets()["tiers.yaml"] + b"# more\n")
    result = run("sign", directory, "--keys", keys)
    assert result.output == "Signed targets 2, snapshot 2, timestamp 3.\n"
    assert shown(directory)["unsigned"] == []
    assert shown(directory)["refused"] == ""


def test_sign_leaves_nothing_old_behind(made: tuple[Path, Path]) -> None:
    directory, keys = made
    (directory / "targets/tiers.yaml").write_bytes(targets()["tiers.yaml"] + b"# more\n")
    tufrepo.sign(directory, keys)
    assert len(list((directory / "targets").glob("*.tiers.yaml"))) == 1
    assert sorted(file.name for file in (directory / "metadata").iterdir()) == [
        "1.revocations.json",
        "1.root.json",
        "2.snapshot.json",
        "2.targets.json",
        "timestamp.json",
    ]


def test_sign_refuses_a_policy_that_is_none(made: tuple[Path, Path]) -> None:
    directory, keys = made
    (directory / "targets/tiers.yaml").write_bytes(b"tiers: {low: {gates: [no-such-gate]}}")
    result = run("sign", directory, "--keys", keys)
    assert result.exit_code == 2
    assert "no gate is called no-such-gate" in result.output
    (directory / "targets/tires.yaml").write_bytes(b"")
    assert "'tires.yaml' is unknown" in run("sign", directory, "--keys", keys).output


def test_sign_renews_what_would_expire_before_the_timestamp(made: tuple[Path, Path]) -> None:
    directory, keys = made
    result = run("sign", directory, "--keys", keys, "--expires", "40d")
    assert result.output == "Signed snapshot 2, timestamp 2.\n"
    result = run("sign", directory, "--keys", keys, "--expires", "366d")
    assert result.output.startswith("Signed root 2, targets 2, revocations 2, snapshot 3")
    assert shown(directory)["refused"] == ""


def test_ci_renews_with_its_own_key_alone(made: tuple[Path, Path]) -> None:
    directory, keys = made
    for name in ("root", "targets", "oncall"):
        (keys / f"{name}.pem").unlink()
    result = run("sign", directory, "--keys", keys, "--expires", "366d")
    assert result.output == "Signed snapshot 2, timestamp 2.\n"
    assert shown(directory)["refused"] == ""


@pytest.mark.parametrize("expires", ["", "0d", "1x", "-1d", "30"])
def test_a_lifetime_that_is_none_is_a_usage_error(made: tuple[Path, Path], expires: str) -> None:
    assert run("sign", made[0], "--keys", made[1], f"--expires={expires}").exit_code == 2


def test_revoke_a_digest(made: tuple[Path, Path]) -> None:
    directory, keys = made
    reason = 'leaks: "orders" # all of them'
    digest = "sha256:" + "1e5" + "0" * 61
    result = run("revoke", directory, "--keys", keys, "--digest", digest, "--reason", reason)
    assert result.exit_code == 0, result.output
    assert versions(directory)["revocations"] == 2
    assert versions(directory)["targets"] == 1
    listed = parse_revocations((directory / "targets/revocations.yaml").read_bytes())
    assert [(each.digest, each.reason) for each in listed.digests] == [(digest[7:], reason)]


def test_revoke_a_signer_and_then_a_digest_keeps_both(made: tuple[Path, Path]) -> None:
    directory, keys = made
    who = ("--identity", "trainer@line-4.example", "--issuer", "https://oidc.example")
    since = ("--since", "2026-11-20T00:00:00Z")
    for more in ((), since):
        result = run("revoke", directory, "--keys", keys, *who, *more, "--reason", "stolen")
        assert result.exit_code == 0, result.output
    tufrepo.revoke(directory, keys, LEAK)
    listed = parse_revocations((directory / "targets/revocations.yaml").read_bytes())
    assert [each.since for each in listed.signers] == ["2026-11-20T00:00:00Z"]
    assert len(listed.digests) == 1


@pytest.mark.parametrize(
    ("option", "value", "part"),
    [
        ("--key", "sha256:" + "b" * 64, "keys"),
        ("--key", "SHA256:" + "b" * 43, "keys"),
        ("--scanner", "pkg:golang/example/trivy@0.69.4", "scanners"),
        ("--person", "quality-1", "persons"),
        ("--approval", "n" * 16, "approvals"),
    ],
)
def test_revoke_anything_that_can_be_revoked(
    made: tuple[Path, Path], option: str, value: str, part: str
) -> None:
    directory, keys = made
    tufrepo.revoke(directory, keys, LEAK)
    for _ in range(2):
        result = run("revoke", directory, "--keys", keys, option, value, "--reason", "stolen")
        assert result.exit_code == 0, result.output
    listed = parse_revocations((directory / "targets/revocations.yaml").read_bytes()).dump()
    (entry,) = listed[part]
    assert value in entry.values()
    assert len(listed["digests"]) == 1


@pytest.mark.parametrize(
    ("args", "code", "sentence"),
    [
        ((), 2, "give either --digest"),
        (("--digest", "a" * 64, "--issuer", "https://x.example"), 2, "give either --digest"),
        (("--identity", "x"), 2, "give either --digest"),
        (("--person", "quality-1", "--since", "2026-11-20T00:00:00Z"), 2, "--since goes with"),
        (("--digest", "abc"), 2, "digest: "),
        (("--key", "abc"), 2, "key: "),
        (("--identity", "x", "--issuer", "y", "--since", "yesterday"), 2, "since: "),
    ],
)
def test_revoke_explains_what_is_wrong(
    made: tuple[Path, Path], args: tuple[str, ...], code: int, sentence: str
) -> None:
    result = run("revoke", made[0], "--keys", made[1], "--reason", "r", *args)
    assert (result.exit_code, sentence in result.output) == (code, True), result.output


@pytest.mark.parametrize("command", ["sign", "status"])
def test_a_folder_that_is_no_repository_is_refused(
    made: tuple[Path, Path], tmp_path: Path, command: str
) -> None:
    keys = ("--keys", made[1]) if command == "sign" else ()
    result = run(command, tmp_path / "empty", *keys)
    assert result.exit_code == 1
    assert "is this a governance repository?" in result.output


def test_a_folder_without_keys_is_refused(made: tuple[Path, Path], tmp_path: Path) -> None:
    assert "holds no key" in run("sign", made[0], "--keys", tmp_path / "none").output
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/x.pem").write_bytes(b"no key")
    (tmp_path / "bad/x.pem").chmod(0o600)
    assert "is no private key" in run("sign", made[0], "--keys", tmp_path / "bad").output
