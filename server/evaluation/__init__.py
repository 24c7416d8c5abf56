"""What an intervention changed, how sure that is, or why it can't be told.

The way through: `table` reads numbers and says which cell is wrong; one module per method turns
them into a `results.Result`; `grade` and `verdict` tie the wording to the design; `command` is
`msl evaluate`. Methods are pure functions of arrays and a seed, so that anyone can run them again.
"""
