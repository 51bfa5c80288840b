"""What later steps of the story need of earlier ones, and what the cluster says now."""

import json
from dataclasses import dataclass, field
from typing import Any

from interlock_sandbox.demo import show
from interlock_sandbox.demo.load import Load
from interlock_sandbox.demo.producing import Model
from interlock_sandbox.demo.world import AGENT, World


@dataclass
class Story:
    """What later steps need of earlier ones."""

    world: World
    models: dict[str, Model] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    pull: int = 0
    """The pull request of the first version."""
    load: Load | None = None
    """Traffic, where pods run: from before the first version serves to the end."""

    @property
    def home(self) -> str:
        """The agent's own namespace."""
        return self.world.status()["namespace"]

    def pointer(self) -> str:
        """The name of the revision that serves."""
        return f"{AGENT}-{self.serving()[:10]}"

    def serving(self) -> str:
        """The digest that serves."""
        return self.world.status().get("serving", "-")

    def transitions(self) -> list[dict[str, Any]]:
        """All records of pointer moves, oldest first."""
        found = json.loads(self.world.kubectl("get", "at", "-n", self.home, "-o", "json"))["items"]
        return sorted(found, key=lambda one: int(one["spec"]["number"]))

    def address(self) -> str | None:
        """The cluster address of the agent's Service, as soon as it has one."""
        path = "jsonpath={.spec.clusterIP}"
        asked = ("get", "service", "agent", "--ignore-not-found", "-o", path)
        home = self.world.status().get("namespace")
        return (home and self.world.kubectl(*asked, "-n", home)) or None

    def drained(self, digest: str) -> None:
        """Wait until no connection that was opened to this before is open any more."""
        if load := self.load:
            short = digest[:10]
            what = f"the open stream leaves {short} when its drain is over"
            show.until(lambda: load.streaming() != short or None, what)

    def follows(self, digest: str) -> None:
        """Wait until this is who answers callers, where there are any."""
        if load := self.load:
            short = digest[:10]
            show.until(lambda: load.newest() == short or None, f"{short} answers callers")
