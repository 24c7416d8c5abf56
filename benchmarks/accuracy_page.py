"""The page docs/accuracy.md from measured figures: what is claimed, what came out, what is open."""

from collections.abc import Iterable, Mapping
from typing import Any

Figures = Mapping[str, Any]

# What the clip is held to (within a fifth each way) is asked of a drawn street too.
USABLE_NET_ERROR = 0.2

HEAD = """\
# Accuracy: what the node's numbers can carry

Written by `python -m benchmarks.accuracy` from what its programs measured; the figures are kept in
`benchmarks/accuracy.json`. Change a program, run it again; no figure in a table is typed by hand.
"""

NOT_MEASURED = """\
## What was not measured

- **No Raspberry Pi, no sensor, no microphone, no street.** Everything here ran on the machine
  named above. Frames a second and processor shares on a Pi are printed there by `msl-node bench`.
- **Light**: the tolerance of the parts themselves (by their datasheets OPT3001 10 %, BH1750 20 %),
  the dome before them and its ageing. That is what `msl-node calibrate light` is for.
- **Noise**: the microphone. The figures are the meter's own; a MEMS microphone's level (typically
  +-1 dB), its response at the ends of the band and its windscreen come on top. No class of
  IEC 61672-1 is claimed: that needs a type test of the whole instrument.
- **Footfall**: one real clip, by day, of one place, and drawn scenes. YOLOX is not run on drawn
  scenes: to it the figures are drawings. Nothing was counted in a real night, in real rain, or
  through a camera that had to find its own exposure. A site is believed after its own tally
  (`msl-node validate`), in each lux band that is used.
- **The lux of the bands** is the emulated camera's assumption (full brightness down to 30 lx,
  then the root of the light), not a measurement.
- **A moved camera** is noticed in drawn scenes from about 2 % of the picture's width on, by day and
  under street light, half a minute after it (`tests/edge/footfall/test_view.py`); in near darkness,
  and for a mount that sags over weeks, it isn't. Until then, people may be counted beside the
  line. What a node sees after its start it takes for the view it was given.
"""


def page(found: Figures) -> str:
    """The whole page as Markdown; `found` has each section's `measured` and `figures`."""
    parts = (
        HEAD,
        machine_part({name: section["measured"] for name, section in found.items()}),
        noise_part(found["noise"]["figures"]),
        light_part(found["light"]["figures"]),
        footfall_part(found["footfall"]["figures"]),
        node_part(found["node"]["figures"]),
        soak_part(found["soak"]["figures"]),
        NOT_MEASURED,
    )
    return "\n".join(parts)


def machine_part(measured: Mapping[str, Figures]) -> str:
    rows = [
        (name, each["date"], each["processor"], f"{each['load']} on {each['cores']} cores",
         each["python"], each["opencv"])
        for name, each in measured.items()
    ]  # fmt: skip
    head = ("section", "date", "machine", "load at the start", "Python", "OpenCV")
    return (
        f"{table(head, rows)}\nThe machine was shared with other work. Costs are processor time,"
        " which other load hardly changes, on this machine and **not on a Pi**.\n"
    )


def node_part(node: Figures) -> str:
    """The whole agent and the spool."""
    rows = [
        (each["detector"], f"{each['core_share']:.1%}", f"{each['rss_mb']} MB")
        for each in node["agents"]
    ]
    return (
        "## The whole node\n\nAgent with light, noise, health and footfall, all emulated, an empty"
        " scene of 640 x 480 at 5 fps, no broker to reach. To be met: 25 % of one core, 350 MB"
        " resident in all processes (pages that they share counted in each).\n\n"
        f"{table(('detector', 'of one core', 'resident'), rows)}\n"
        f"Spool: {node['spool_records_per_s']} records a second, on disk for good.\n"
    )


def soak_part(soak: Figures) -> str:
    """Whether the node grows over simulated hours."""
    rows = [
        (f"{run['detector']}, {run['hours']:g} h", each["process"], each["stretch"],
         f"{each['uss_bytes'] / 2**20:.1f} MB", f"{each['uss_growth_bytes'] / 2**20:+.2f} MB",
         f"{each['fds_n']}", f"{each['fds_growth']:+d}", f"{each['threads_growth']:+d}")
        for run in soak["runs"]
        for each in run["processes"]
    ]  # fmt: skip
    head = ("run", "process", "at work on", "memory", "growth", "files", "growth", "threads")
    said = ", ".join(
        f"{run['detector']} {run['hours']:g} simulated hours in {run['took_s'] / 60:.0f} min:"
        f" {'GROWS' if run['grows'] else 'no growth'}"
        for run in soak["runs"]
    )
    return (
        "## Over hours\n\n`python -m benchmarks.soak`: the agent with its real camera and vision"
        " processes on a drawn street, 6 people a minute at 5 fps, then light and noise over the"
        " same hours, no broker to reach. Memory is each process's own (USS); growth is the last"
        " quarter's median over the second quarter's. To be met: no more than 2 MB, no file and no"
        f" thread more.\n\n{table(head, rows)}\n{said}.\n"
    )


def noise_part(noise: Mapping[str, float]) -> str:
    """The level meter against theory."""
    rows = [
        (name.replace(": largest error", "").replace(": error", ""), f"{value:+.3f} dB")
        for name, value in noise.items()
        if "speed" not in name
    ]
    speeds = ", ".join(
        f"{value:.0f} x real time {name.removeprefix('speed ').removesuffix(', x real time')}"
        for name, value in noise.items()
        if "speed" in name
    )
    return (
        "## Noise\n\nThe level meter against the design goal of IEC 61672-1 and against an"
        " independent computation (FFT and the analytic weighting). To be met: weighting within"
        " 0.15 dB at 48 kHz up to 16 kHz, bursts from 1000 ms to 5 ms within 0.1 dB, LAeq within"
        " 0.05 dB, an hour from 60 records within 0.01 dB, 200 x real time on one core.\n\n"
        f"{table(('what', 'error'), rows)}\nSpeed on one core: {speeds}.\n"
    )


def light_part(light: Mapping[str, float]) -> str:
    """The drivers on emulated parts: one row a range, one column a part."""
    parts = list(dict.fromkeys(name.split(",")[0] for name in light if "largest" in name))
    ranges = list(
        dict.fromkeys(name.split(", ")[1].split(":")[0] for name in light if "largest" in name)
    )
    rows = [
        (each, *(f"{light[f'{part}, {each}: largest error in %']:.2f} %" for part in parts))
        for each in ranges
    ]
    rows.append(
        ("longest reading", *(f"{light[f'{part}: longest reading in s']:.2f} s" for part in parts))
    )
    return (
        "## Light\n\nThe drivers' own largest error (ranging, resolution, the maker's correction)"
        " on parts emulated to the register, each reading coming out of bright light.\n\n"
        f"{table(('range', *parts), rows)}"
    )


def footfall_part(footfall: Figures) -> str:
    """Clips, scenes, bands, costs."""
    live = ", ".join(f"{name} {share:.1%}" for name, share in footfall["live_share"].items())
    return "\n".join(
        (
            "## Footfall\n",
            "Missed and made up are matched within 1.5 s and in their direction; net error is"
            " (counted - true) / true. Pairs are a_to_b / b_to_a.\n",
            "### The real clip\n",
            "PETS 2009 S2.L1, 795 frames at 10 fps, 32 crossings marked by hand; through the"
            " caged processes. fps is of one core, start, decoding and canary included. It was not"
            " tuned to.\n",
            clips_table(footfall["clips"]),
            "### Drawn streets with exact truth\n",
            "Background subtraction, 4 minutes each. `unseen` is the share of the time in which the"
            " counter said itself that it couldn't see; nobody is missed or made up in it.\n",
            scores_table("scene", footfall["scenes"], unseen=True),
            weak_part(footfall["scenes"]),
            "### The same people under ever less light\n",
            "Added up by band. Where the rate differs between bands, a change of light looks like a"
            " change of footfall: so no claim is made across bands that a site hasn't validated. A"
            " band without crossings is one in which the counter said that it was too dark.\n",
            scores_table("band", footfall["bands"], unseen=False),
            "### What it costs\n",
            "Vision's work on a drawn street of 640 x 480, YOLOX at 320 px behind its motion"
            " gate.\n",
            growth_table(footfall["growth"]),
            f"Live at 5 fps and 320 x 240, share of one core: {live} (the emulated camera draws its"
            " pictures; a real one doesn't).\n",
        )
    )


def weak_part(scenes: list[Figures]) -> str:
    """The scenes in which the count can't be used, in words."""
    weak = [row["scene"] for row in scenes if not usable(row)]
    return (
        f"**Not usable with background subtraction** (net error over {USABLE_NET_ERROR:.0%}, or"
        f" people made up where nobody was): {'; '.join(weak) or 'none'}. Where a site has these,"
        " give the node a YOLOX model and validate it there.\n"
    )


def usable(row: Figures) -> bool:
    if not sum(row["true"]):
        return not row["made_up"]
    return bool(abs(row["net_error"]) <= USABLE_NET_ERROR)


def clips_table(clips: list[Figures]) -> str:
    if not clips:
        return "NOT measured: the clip wasn't there.\n"
    head = ("detector", "true", "counted", "missed", "made up", "F1", "net error", "fps")
    rows = [(clip["detector"], *score_cells(clip), f"{clip['fps']:.0f}") for clip in clips]
    return table(head, rows)


def scores_table(what: str, rows: list[Figures], *, unseen: bool) -> str:
    head = (what, "true", "counted", "missed", "made up", "F1", "net error")
    tail = ("unseen",) if unseen else ()
    return table(
        (*head, *tail),
        [
            (row[what], *score_cells(row), *((f"{row['unseen']:.0%}",) if unseen else ()))
            for row in rows
        ],
    )


def score_cells(row: Figures) -> tuple[str, ...]:
    """The cells that every score has; a dash where a share has nothing to be a share of."""
    f1, net = row["f1"], row["net_error"]
    return (
        "/".join(str(number) for number in row["true"]),
        "/".join(str(number) for number in row["counted"]),
        str(row["missed"]),
        str(row["made_up"]),
        "-" if f1 is None else f"{f1:.2f}",
        "-" if net is None else f"{net:+.0%}",
    )


def growth_table(rows: list[Figures]) -> str:
    head = ("detector", "frames a second", "people a minute", "ms a frame", "share of a core")
    return table(
        head,
        [
            (row["detector"], f"{row['fps']:g}", f"{row['people_per_min']:g}",
             f"{row['frame_ms']:.1f}", f"{row['core_share']:.1%}")
            for row in rows
        ],
    )  # fmt: skip


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    cells = list(head)
    lines = [cells, ["---"] * len(cells), *(list(row) for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
