"""A real Gitea: a forge with accounts, pull requests, reviews and merges, spoken to by its API."""
