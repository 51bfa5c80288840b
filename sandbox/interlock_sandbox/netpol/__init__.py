"""NetworkPolicy v1 on the sandbox's one real node, by nftables.

It stands in for a CNI with policy: none can be compiled from the sources that the sandbox builds
from, and without one an agent's declared edges would be words. It is for one node whose pods are
routed (CNI `ptp`), it is not for production, and it is compared with an independent evaluator.
"""
