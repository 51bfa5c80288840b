"""The commands that people and CI type: `interlock` and `kubectl interlock`."""
