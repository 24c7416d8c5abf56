"""The process that looks at frames: people found, followed, counted; counts out, nothing else."""
