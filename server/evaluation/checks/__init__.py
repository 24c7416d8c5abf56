"""What each run does to itself: where nothing happened, nothing may be found, and the reverse."""
