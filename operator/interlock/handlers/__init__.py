"""The controller process: informers fill caches and enqueue, two lanes decide and act."""
