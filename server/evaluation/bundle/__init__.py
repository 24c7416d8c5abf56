"""Everything that another evaluator needs to come to the same last digit, in one file."""
