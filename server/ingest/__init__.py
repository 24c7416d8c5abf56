"""From the broker to the tables, exactly once: receive, decode, store, acknowledge.

A message is acknowledged after its transaction has committed, and the node is told by
`down/ack/<stream>` up to which `seq` nothing is missing. Everything before that may be repeated at
will: the ledger, locked and read in the same transaction, knows what is already in.
"""
