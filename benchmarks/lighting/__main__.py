"""How well lamps are diagnosed: python -m benchmarks.lighting [--seeds 100-126] [--json].

Nights are made by seed (8 lamps a site and a year each, latitudes in turn), diagnosed without a
feeder map, and scored. The detector was developed on seeds under 100: figures that are published
come from seeds from 100 on. `--live N` also cuts the data at N alarms and asks whether the alarm
stands with what was known then.
"""

import argparse
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from benchmarks.lighting.faults import KINDS
from benchmarks.lighting.scoring import Claim, Match, Score, delay_s, match
from benchmarks.lighting.site import Site, make_site
from server.lighting.diagnosis import Diagnosis, Samples, diagnose

LATITUDES_DEG = (5.0, 15.0, 28.0, 37.0, 45.0, 52.0, 60.0, 65.0, 69.0, -33.0)
MONTHS = 12


@dataclass(kw_only=True)
class Tally:
    """Everything that is printed."""

    kinds: dict[str, Score] = field(default_factory=lambda: defaultdict(Score))
    latitudes: dict[str, Score] = field(default_factory=lambda: defaultdict(Score))
    traits: dict[str, Score] = field(default_factory=lambda: defaultdict(Score))
    nodes: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """Node-years by latitude and by trait."""
    node_years: float = 0.0
    untold: int = 0
    """True faults that the readings could not show."""
    seconds: float = 0.0
    live: list[bool] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def add(self, site: Site, pairs: Iterable[Match]) -> None:
        latitude = f"{site.lat_deg:g} deg"
        self.nodes[latitude] += len(site.lux)
        self.node_years += len(site.lux)
        self.untold += sum(not truth.told for truth in site.truths)
        for traits in site.traits.values():
            for trait in traits:
                self.nodes[trait] += 1
        for pair in pairs:
            either = pair.truth or pair.claim
            assert either is not None
            rows = [self.kinds[either.kind], self.latitudes[latitude]]
            rows += [self.traits[trait] for trait in site.traits[either.node]]
            for row in rows:
                _count(row, pair)
            if pair.truth is None or pair.claim is None:
                what = "made up" if pair.truth is None else "missed"
                where = f"{site.name}, {either.node} ({', '.join(site.traits[either.node])})"
                self.wrong.append(f"{what}: {either.kind} from {either.from_s} at {where}")


def _count(score: Score, pair: Match) -> None:
    delay = delay_s(pair)
    if delay is not None:
        score.found += 1
        score.delays_s.append(delay)
    elif pair.truth is not None:
        score.missed += 1
    else:
        score.made_up += 1


def diagnosed(site: Site, until_s: int | None = None) -> Diagnosis:
    """The site's diagnosis from all its samples, or from those up to a moment."""
    keep = slice(None) if until_s is None else site.t_s <= until_s
    samples = {node: Samples(t_s=site.t_s[keep], lux=lux[keep]) for node, lux in site.lux.items()}
    return diagnose(samples, site.lat_deg, site.lon_deg)


def claims(found: Diagnosis) -> list[Claim]:
    """Episodes as the scorer reads them."""
    return [
        Claim(node=one.node, kind=str(one.kind), from_s=one.from_s, to_s=one.to_s,
              raised_s=one.raised_s)
        for one in found.episodes
    ]  # fmt: skip


def run(seeds: range, live: int) -> Tally:
    """Make, diagnose and score the sites of these seeds."""
    tally = Tally()
    for seed in seeds:
        site = make_site(seed, lat_deg=LATITUDES_DEG[seed % len(LATITUDES_DEG)])
        begin_s = time.process_time()
        found = diagnosed(site)
        tally.seconds += time.process_time() - begin_s
        pairs = match(site.truths, claims(found))
        tally.add(site, pairs)
        hits = [pair.claim for pair in pairs if pair.truth is not None and pair.claim is not None]
        if len(tally.live) < live and hits:
            tally.live.append(_stood_then(site, hits[len(hits) // 2]))
    return tally


def _stood_then(site: Site, claim: Claim) -> bool:
    then = claims(diagnosed(site, claim.raised_s))
    return any(
        one.node == claim.node
        and one.kind == claim.kind
        and abs(one.from_s - claim.from_s) < 86_400
        for one in then
    )


def figures(tally: Tally) -> dict[str, dict[str, float]]:
    """Rows of figures by kind, latitude and trait."""
    rows = {kind: _row(tally.kinds[kind], tally.node_years) for kind in KINDS}
    for name, score in [*tally.latitudes.items(), *tally.traits.items()]:
        rows[name] = _row(score, tally.nodes[name])
    total = Score(
        found=sum(score.found for score in tally.kinds.values()),
        missed=sum(score.missed for score in tally.kinds.values()),
        made_up=sum(score.made_up for score in tally.kinds.values()),
    )
    rows["all"] = _row(total, tally.node_years)
    return rows


def _row(score: Score, node_years: float) -> dict[str, float]:
    row = {
        "found": score.found,
        "missed": score.missed,
        "made_up": score.made_up,
        "f1": round(score.f1, 3),
        "false_per_node_month": round(score.made_up / max(node_years * MONTHS, 1), 4),
    }
    if score.delays_s:
        row["median_delay_min"] = round(statistics.median(score.delays_s) / 60, 1)
        row["p90_delay_min"] = round(sorted(score.delays_s)[len(score.delays_s) * 9 // 10] / 60, 1)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description="How well lamps are diagnosed.")
    parser.add_argument("--seeds", default="100-126", help="first-last, 8 node-years each")
    parser.add_argument("--live", type=int, default=0, help="alarms to repeat on data cut at them")
    parser.add_argument("--wrong", action="store_true", help="list all that was missed or made up")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args()
    first, last = (int(part) for part in asked.seeds.split("-"))
    tally = run(range(first, last + 1), asked.live)
    rows = figures(tally)
    if asked.json:
        print(json.dumps({"node_years": tally.node_years, "untold": tally.untold, "rows": rows}))
        return
    print(f"{tally.node_years:.0f} node-years; {tally.untold} true faults could not show;"
          f" {tally.seconds / tally.node_years:.2f} CPU s a lamp-year")  # fmt: skip
    print(f"{'':18} found missed made-up    F1  false/node-month  median delay min   p90")
    for name, row in rows.items():
        print(f"{name:18} {row['found']:5} {row['missed']:6} {row['made_up']:7}  {row['f1']:.3f}"
              f"  {row['false_per_node_month']:16.4f}  {row.get('median_delay_min', 0):16.0f}"
              f"  {row.get('p90_delay_min', 0):5.0f}")  # fmt: skip
    if tally.live:
        print(f"alarms that stood on the data up to them: {sum(tally.live)} of {len(tally.live)}")
    for line in tally.wrong if asked.wrong else []:
        print(line)


if __name__ == "__main__":
    main()
