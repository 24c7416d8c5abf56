"""The console: server-rendered pages that keep themselves current, with no asset from outside."""
