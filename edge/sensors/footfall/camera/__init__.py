"""The process that opens the camera and does nothing else: frames into one pipe."""
