"""The only writer of our kinds' statuses, save the signed fields of AgentTransition."""

from interlock.cluster.client import Client, NotFound, Object


async def write(client: Client, obj: Object, status: Object) -> Object | None:
    """Write a status if it differs from what the object carries; None where nothing was written.

    Status is derived: whoever writes last writes the newest truth, so there is nothing to compare.
    """
    if obj.get("status") == status:
        return None
    meta = obj["metadata"]
    patch = {"metadata": {"uid": meta["uid"]}, "status": _replacing(obj.get("status"), status)}
    try:
        return await client.merge_patch(
            obj["kind"], meta.get("namespace"), meta["name"], patch, subresource="status"
        )
    except NotFound:
        return None


def _replacing(old: Object | None, new: Object) -> Object:
    """Return a merge patch that leaves nothing of the old status behind."""
    return dict.fromkeys(set(old or {}) - set(new)) | new
