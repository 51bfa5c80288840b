"""Turns untrusted bytes into facts: every adapter to the world outside the cluster lives here."""
