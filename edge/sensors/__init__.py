"""What the node measures: one folder per measurand, one file per part."""
