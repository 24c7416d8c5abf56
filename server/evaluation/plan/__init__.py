"""The plan: what will be asked, of which sites and weeks, by which method, before anybody looks."""
