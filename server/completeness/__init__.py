"""What has been received and what hasn't: how far each stream is whole, its gaps, and why."""
