"""Sound: PCM source -> level meter -> window statistics. Levels only; no audio leaves."""
