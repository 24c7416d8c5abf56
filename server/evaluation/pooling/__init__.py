"""One answer from several labs' bundles; no measurement leaves a lab."""
