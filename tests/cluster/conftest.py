"""A real API server with its controllers and a kwok node, one for all tests of the session."""

from support.cluster import shared_sandbox

cluster = shared_sandbox("kubernetes")
