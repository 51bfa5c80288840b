"""A small model of the cluster: executes steps on values, so that `decide` can be driven fast.

It is as faithful as the proof needs: every step is a list of small writes between which the
controller may die or somebody else may write, caches may be behind, pods take their time, and
every write is refused as the API server would refuse it.
"""

from support.world.cluster import START, Refused
from support.world.glass import GLASS
from support.world.town import Town
from support.world.world import NAME, TEAM, TIMING, World, spec_of

__all__ = ["GLASS", "NAME", "START", "TEAM", "TIMING", "Refused", "Town", "World", "spec_of"]
