"""Who measures what, where, since when: labs, sites, nodes and the dated rows that give data its
meaning. Every change is audited by the database itself; here are its words and its checks.
"""
