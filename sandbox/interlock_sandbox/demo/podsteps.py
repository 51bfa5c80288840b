"""Steps that need pods that run: who can talk to whom, and what a quarantine keeps."""

import base64
import json
from typing import Any

from interlock_sandbox.demo import acts, edges, show
from interlock_sandbox.demo.story import Story
from interlock_sandbox.demo.world import AGENT, TEAM


def only_declared_edges(story: Story) -> str:
    """What the agent's file declares is answered, everything else is refused by NetworkPolicy."""
    world = story.world
    edges.start_neighbours(world)
    hmi, mes = (edges.pod(world, TEAM, f"app={name}") for name in edges.NEIGHBOURS)
    agent = edges.pod(world, story.home, f"interlock.dev/revision={story.pointer()}")
    service = f"http://{story.address()}/"
    allowed = (hmi, service), (agent, _url(mes))
    for source, url in allowed:
        show.hold(edges.reaches(source, url), "what is declared is answered")
    refused = (mes, service), (agent, _url(hmi))
    for source, url in refused:
        show.hold(not edges.reaches(source, url), "what is not declared is refused")
    return f"{len(allowed)} declared edges answered, {len(refused)} others refused"


def quarantine_keeps_evidence(story: Story) -> str:
    """An SRE quarantines v6: no traffic, no pod, its log is kept; new approvals restore it."""
    world, home, serving = story.world, story.home, story.serving()
    acting = ("-n", TEAM, "--reason")
    world.run("sre-1", "kubectl", "interlock", "quarantine", AGENT, *acting, "orders out of line")
    show.until(lambda: _pods(story) == [] or None, "no pod is left")
    kept, line = _evidence(story, f"{AGENT}-{serving}-")
    show.say(f"kept in {home}, for good: ConfigMap {kept} with the log of {serving}, which ends:")
    show.say(f"  {line}")
    acts.kubectl_get(world)
    world.run("sre-1", "kubectl", "interlock", "restore", AGENT, *acting, "a planned drill")
    acts.wait_for(world, "v6 waits for new approvals", gate="Waiting")
    acts.sign_all(world)
    acts.wait_for(world, "v6 serves again", serving=serving, candidate="-", ready="True")
    story.follows(serving)
    return f"{kept} has the log"


def _url(pod: dict[str, Any]) -> str:
    port = edges.NEIGHBOURS[pod["metadata"]["name"]]
    return f"http://{pod['status']['podIP']}:{port}/"


def _pods(story: Story) -> list[str]:
    return story.world.kubectl("get", "pods", "-n", story.home, "-o", "name").split()


def _evidence(story: Story, pod: str) -> tuple[str, str]:
    """The ConfigMap that the last record left, and the last line of the pod's log in it."""
    name = f"evidence-{story.transitions()[-1]['metadata']['name']}-1"
    found = json.loads(story.world.kubectl("get", "cm", name, "-n", story.home, "-o", "json"))
    files = found["binaryData"]
    logs = [key for key in files if key.startswith(pod) and key.endswith(".agent.log")]
    show.hold(logs, f"a log of {pod}…", list(files))
    text = base64.b64decode(files[logs[0]]).decode(errors="replace")
    return name, text.rstrip().rpartition("\n")[2]
