"""Health and policy signals: what is seen of a revision, as votes."""
