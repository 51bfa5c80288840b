"""The git syncer: writes what a commit says into the namespace of its AgentRepository.

A process and an identity of its own, so that the controller never writes a team's spec.
"""
