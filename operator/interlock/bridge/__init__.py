"""The forge bridge: reads reviews of pull requests and signs what it saw, with a key of its own.

A process beside the operator, never in it: a forge's word is worth less than a person's signature,
and whoever takes over the bridge can do no more than say what reviewers never said, on the tiers
that count forge reviews at all.
"""
