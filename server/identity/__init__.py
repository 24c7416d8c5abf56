"""Who is who: the small certificate authority behind nodes and server processes."""
