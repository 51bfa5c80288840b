"""The whole story on one machine: every program in it is the real one, nothing is mocked."""
