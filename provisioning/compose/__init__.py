"""What `docker-compose.yml` needs beside itself: broker files, database roles, a check of it."""
