"""Lamps, told from the light at the pole alone: state, faults as episodes, why we believe it.

The data's way: `night_grid` (minutes on nights) -> `levels`, `steps` (what the light did) ->
`baseline` (what this lamp does when well) -> `lit_state` (dark, lit, can't tell, minute by minute)
-> `edges`, `switching`, `burning`, `outages`, `cycling`, `depreciation` (facts by night, faults by
lamp) -> `feeder` (faults by section) -> `diagnosis`. Pure functions on arrays; no clock, no I/O.
"""
