"""Asks cyclonus, an evaluator of NetworkPolicy that is not ours, who may talk to whom."""

import json
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from support.netpol import Case, Host, Traffic

_ANSWER = re.compile(r"IS ALLOWED\?\s*\|\s*(TRUE|FALSE)\b")


def ask(program: Path, folder: Path, case: Case, questions: Sequence[Traffic]) -> list[bool]:
    """Its verdict on each question, in order."""
    policies = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicyList"}
    policies_file, traffic_file = folder / "policies.json", folder / "traffic.json"
    policies_file.write_text(json.dumps({**policies, "items": case.policies}))
    traffic_file.write_text(json.dumps([_traffic(one) for one in questions]))
    files = (f"--policy-path={policies_file}", f"--traffic-path={traffic_file}")
    done = subprocess.run(
        (str(program), "analyze", "--mode=query-traffic", "--simplify-policies=false", *files),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answers = [answer == "TRUE" for answer in _ANSWER.findall(done.stdout)]
    assert len(answers) == len(questions), done.stdout[-2000:]
    return answers


def _traffic(traffic: Traffic) -> dict[str, Any]:
    source, target = traffic.ends()
    return {
        "Source": _peer(traffic.source, str(source)),
        "Destination": _peer(traffic.target, str(target)),
        "ResolvedPort": traffic.port,
        "ResolvedPortName": traffic.target.names.get((traffic.protocol, traffic.port), ""),
        "Protocol": traffic.protocol,
    }


def _peer(host: Host, address: str) -> dict[str, Any]:
    if not host.namespace:
        return {"IP": address}
    inside = {
        "Namespace": host.namespace,
        "NamespaceLabels": host.space_labels,
        "PodLabels": host.labels,
    }
    return {"IP": address, "Internal": inside}
