"""How strong the design is: the Maryland scale, computed from what was done and never chosen."""

import msgspec

from server.evaluation.results import Grade


class Design(msgspec.Struct, frozen=True, kw_only=True):
    """What the grade is computed from; sites are the units that get an arm."""

    treated_sites: int
    control_sites: int
    has_before: bool = True
    pretrend_tested: bool = False
    pretrend_differs: bool = False
    randomised_seed: int | None = None
    break_in_window: bool = False
    controls_named_before: bool = True


def maryland_grade(design: Design) -> Grade:
    """Level 1 to 5 with its reasons.

    Farrington, Gottfredson, Sherman & Welsh 2002 (in: Evidence-Based Crime Prevention, ch. 2):
    1 correlation; 2 before and after without comparable control; 3 with one; 4 many units with
    other variables held; 5 random assignment. Stricter here: 4 needs several sites in both arms and
    pre-trends that were tested and don't differ, 5 needs the recorded seed, controls named
    afterwards void 3.
    """
    reasons: list[str] = []
    if not design.has_before:
        return Grade(level=1, reasons=["no measurements from before"])
    if design.break_in_window:
        return Grade(level=1, reasons=["the measuring changed inside the window"])
    if design.control_sites == 0:
        return Grade(level=2, reasons=["before and after, without a control site"])
    if not design.controls_named_before:
        return Grade(level=2, reasons=["control sites were chosen afterwards"])
    if design.pretrend_differs:
        return Grade(level=2, reasons=["treated and control sites already drifted apart before"])
    if design.treated_sites == 1 and design.control_sites == 1:
        reasons.append(
            "a single pair: what else happened at one of the two can't be told from the effect"
        )
        return Grade(level=3, reasons=reasons)
    if design.treated_sites < 2 or design.control_sites < 2:
        reasons.append("before and after with control sites, but one site alone in an arm")
        return Grade(level=3, reasons=reasons)
    if not design.pretrend_tested:
        reasons.append("several sites in each arm, but their courses before were not compared")
        return Grade(level=3, reasons=reasons)
    if design.randomised_seed is not None:
        reasons.append(f"arms were drawn at random (seed {design.randomised_seed})")
        return Grade(level=5, reasons=reasons)
    reasons.append("several treated and control sites that ran alike before")
    return Grade(level=4, reasons=reasons)
