"""Interlock: decides which AI agents may run on a cluster, and takes them off again."""
