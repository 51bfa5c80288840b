"""All Kubernetes I/O: one client, the caches, and the only writers of pointer and status."""
