"""What crosses the wire between a node and its server: topics, records, units, flags, limits.

One place knows them; `edge/` and `server/` import it, and the AsyncAPI document is made from it.
Nothing here does I/O but the two commands that write its documents, and nothing here imports the
rest of the product.
"""
