"""Everything that Interlock talks to, as real programs on one machine, for demos and tests."""
