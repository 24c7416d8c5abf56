"""`msl evaluate`: each method on a CSV, without a database, for people and (`--json`) machines."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
import numpy as np
import typer

from server.evaluation import (
    adjust_command,
    clock_change_command,
    levels_command,
    rendering,
    survey_command,
)
from server.evaluation.bsts import BstsRequest, bsts_and_causal_impact
from server.evaluation.count_report import ARMS, CountData, count_result, counts_from_table
from server.evaluation.count_table import Cells
from server.evaluation.did import DidRequest, did, event_study
from server.evaluation.did_covariates import adjusted_rows
from server.evaluation.errors import BadRequest
from server.evaluation.its import its
from server.evaluation.its_request import Family, ItsRequest
from server.evaluation.moments import Kind, option_moment
from server.evaluation.options import Alpha, AsJson, Csv, Level, pair
from server.evaluation.panel import (
    Panel,
    against,
    panel_from_table,
    site_covariates,
    two_period_panel,
    wide_panel,
)
from server.evaluation.plan.command import app as plan_app
from server.evaluation.product_command import app as product_app
from server.evaluation.results import Result
from server.evaluation.segmented import Season
from server.evaluation.series import series_from_table
from server.evaluation.synthetic_control import ScRequest, synthetic_control
from server.evaluation.table import Table, read_table, renamed

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="What an intervention changed. Example: msl evaluate its aces.csv --at 37 --json",
)
app.add_typer(plan_app, name="plan")
app.registered_commands += product_app.registered_commands

for room in (survey_command, clock_change_command, adjust_command, levels_command):
    app.registered_commands += room.app.registered_commands

Seed = Annotated[int, typer.Option(min=0, help="Of everything drawn at random.")]
At = Annotated[str, typer.Option(help="First time at which the intervention is in place.")]
TimeColumn = Annotated[str, typer.Option("--time", help="Column of times: numbers or dates.")]
Outcome = Annotated[str, typer.Option(help="Column of the outcome; empty = not measured.")]
Unit = Annotated[str, typer.Option(help="Column that names the site.")]
Exposure = Annotated[
    str | None, typer.Option(help="Column of exposure (observed hours, population).")
]


@app.command()
def count2x2(
    csv: Annotated[
        Path | None, typer.Argument(help="CSV: arm,before,after or arm,period,count.")
    ] = None,
    treated: Annotated[str | None, typer.Option(help="BEFORE,AFTER instead of a CSV.")] = None,
    control: Annotated[str | None, typer.Option(help="BEFORE,AFTER.")] = None,
    buffer: Annotated[str | None, typer.Option(help="BEFORE,AFTER of the area around.")] = None,
    buffer_control: Annotated[str | None, typer.Option(help="BEFORE,AFTER.")] = None,
    exposure: Annotated[
        str, typer.Option(help="BEFORE,AFTER lengths of the periods, in any one unit.")
    ] = "1,1",
    phi: Annotated[
        float | None, typer.Option(min=1, help="Dispersion known from elsewhere; 1 is Poisson's.")
    ] = None,
    rename: Annotated[
        list[str] | None, typer.Option(help="COLUMN=NAME of a CSV, as in zone=arm; repeatable.")
    ] = None,
    level: Level = 0.95,
    alpha: Alpha = 0.05,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Counts before and after: RES/RIRR, WDD, WDQ, Total Net Effects.

    A CSV has a row an area (arm,before,after; optional before_exposure,after_exposure) or a row a
    month (arm,period,count; optional time, exposure, area), from which the dispersion is estimated.
    Arms: treated, control, buffer, buffer_control.

    Example: msl evaluate count2x2 --treated 50,30 --control 60,55
    """
    given = {
        arm: text
        for arm, text in zip(ARMS, (treated, control, buffer, buffer_control), strict=True)
        if text is not None
    }
    if (csv is None) == (not given):
        raise BadRequest("give either a CSV or --treated BEFORE,AFTER (with --control)")
    if csv is not None:
        data = counts_from_table(renamed(read_table(csv), rename or []))
    else:
        data = _cells(given, exposure)
    if phi is not None:
        data = msgspec.structs.replace(data, phi=phi, phi_df=0, phi_given=True)
    _show(count_result(data, level=level, alpha=alpha, seed=seed), as_json)


def _cells(given: dict[str, str], exposure: str) -> CountData:
    lengths = pair("--exposure", exposure)
    if min(lengths) <= 0:
        raise BadRequest(f"--exposure {exposure}: lengths must be above 0")
    cells = {}
    for arm, text in given.items():
        counts = pair(f"--{arm.replace('_', '-')}", text)
        if min(counts) < 0:
            raise BadRequest(f"--{arm} {text}: counts can't be negative")
        cells[arm] = Cells(*counts, *lengths)
    return CountData(cells=cells, areas=dict.fromkeys(cells, 1))


@app.command("its")
def its_command(
    csv: Csv,
    at: At,
    outcome: Outcome = "y",
    time: TimeColumn = "time",
    family: Annotated[Family, typer.Option(help="gaussian for levels, the others for counts.")] = (
        "gaussian"
    ),
    exposure: Exposure = None,
    slope: Annotated[bool, typer.Option(help="Let the trend change too.")] = True,
    season: Annotated[int, typer.Option(min=0, help="Steps in a season; 0 for none.")] = 0,
    harmonics: Annotated[
        int, typer.Option(min=0, help="Sine/cosine pairs; 0: a mean for each step.")
    ] = 2,
    covariate: Annotated[list[str] | None, typer.Option(help="Column; may be repeated.")] = None,
    group: Annotated[str | None, typer.Option(help="Column that names the series.")] = None,
    treated: Annotated[str | None, typer.Option(help="The series treated, in --group.")] = None,
    control: Annotated[str | None, typer.Option(help="The control series, in --group.")] = None,
    transition_to: Annotated[
        str | None, typer.Option(help="Leave out from --at up to this time (installation).")
    ] = None,
    counterfactual_at: Annotated[
        str | None, typer.Option(help="Time to give the effect for; the last one if absent.")
    ] = None,
    level_at_last_before: Annotated[
        bool, typer.Option(help="Read the level change off at the last point before.")
    ] = False,
    hac_lag: Annotated[int | None, typer.Option(min=0, help="Newey-West's lag.")] = None,
    allow_short: Annotated[bool, typer.Option(help="Answer below 12 points a side.")] = False,
    level: Level = 0.95,
    alpha: Alpha = 0.05,
    as_json: AsJson = False,
) -> None:
    """Interrupted time series: level and slope change, and the course without the intervention.

    AR(1) errors; OLS, Prais-Winsten, Newey-West or quasi-Poisson, negative binomial beside it.

    Example: msl evaluate its sicily.csv --outcome aces --time time --at 37 --family quasipoisson
    --exposure stdpop --season 12 --no-slope
    """
    table = read_table(csv)
    data = series_from_table(
        table, time=time, outcome=outcome, exposure=exposure, covariates=covariate or [],
        group=group, treated=treated, control=control,
    )  # fmt: skip
    request = ItsRequest(
        time=data.time,
        kind=data.kind,
        y=data.y,
        start=option_moment("--at", at, data.kind),
        family=family,
        exposure=data.exposure,
        control=data.control,
        control_exposure=data.control_exposure,
        slope=slope,
        season=Season(season, harmonics) if season else None,
        covariates=data.covariates,
        transition_to=_given("--transition-to", transition_to, data.kind),
        counterfactual_at=_given("--counterfactual-at", counterfactual_at, data.kind),
        origin_before=level_at_last_before,
        allow_short=allow_short,
        hac_lag=hac_lag,
        level=level,
        alpha=alpha,
    )
    _show(its(request), as_json)


@app.command("did")
def did_command(
    csv: Csv,
    at: Annotated[
        str | None, typer.Option(help="First time at which the intervention is in place.")
    ] = None,
    unit: Unit = "unit",
    time: TimeColumn = "time",
    outcome: Outcome = "y",
    treated: Annotated[str, typer.Option(help="Column of 1/0 or treated/control.")] = "treated",
    treated_unit: Annotated[
        list[str] | None, typer.Option(help="Name of a treated site; may be repeated.")
    ] = None,
    exposure: Exposure = None,
    scale: Annotated[Literal["level", "log"], typer.Option(help="log compares ratios.")] = "level",
    before: Annotated[
        str | None, typer.Option(help="A row a site: column of the outcome before.")
    ] = None,
    after: Annotated[str | None, typer.Option(help="A row a site: column after.")] = None,
    wide: Annotated[
        bool, typer.Option("--wide", help="A row a time, a column a site (with --treated-unit).")
    ] = False,
    covariate: Annotated[
        list[str] | None, typer.Option(help="Column that stays within a site; may be repeated.")
    ] = None,
    minus: Annotated[
        str | None,
        typer.Option(help="Column taken off (log: divided by) first: day, for night minus day."),
    ] = None,
    minus_exposure: Annotated[str | None, typer.Option(help="Exposure of --minus.")] = None,
    events: Annotated[bool, typer.Option(help="Add the event study, time by time.")] = False,
    randomised_seed: Annotated[
        int | None, typer.Option(help="Recorded seed with which arms were drawn.")
    ] = None,
    level: Level = 0.95,
    alpha: Alpha = 0.05,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Difference in differences (BACI) over sites; headline p by randomisation.

    Example: msl evaluate did panel.csv --unit site --time week --outcome rate --at 2026-03-02
    """
    table = read_table(csv)
    if before is not None or after is not None:
        if before is None or after is None:
            raise BadRequest("--before and --after name a column each; give both")
        site = unit if table.has(unit) else None
        panel = two_period_panel(table, unit=site, before=before, after=after, treated=treated)
        start = 1.0
    else:
        if at is None:
            raise BadRequest(
                "--at is missing: the first time at which the intervention is in place"
            )
        site, start = unit, option_moment("--at", at, table.times(time)[1])
        panel = _panel(table, wide, unit, time, outcome, treated, exposure, treated_unit)
    if minus is not None:
        other = panel_from_table(
            table, unit=unit, time=time, outcome=minus, treated=treated, exposure=minus_exposure,
            treated_units=treated_unit,
        )  # fmt: skip
        panel = against(panel, other, log=scale == "log")
    request = DidRequest(
        panel=panel, start=start, scale=scale, randomised_seed=randomised_seed, level=level,
        alpha=alpha, seed=seed,
    )  # fmt: skip
    result = did(request)
    if events and result.refusal is None:
        rows = event_study(request)
        result = msgspec.structs.replace(result, sensitivity=[*result.sensitivity, *rows])
    if covariate:
        held = site_covariates(table, panel, site, covariate)
        rows = adjusted_rows(panel, start, held, log=scale == "log", level=level)
        result = msgspec.structs.replace(result, sensitivity=[*result.sensitivity, *rows])
    _show(result, as_json)


def _panel(
    table: Table, wide: bool, unit: str, time: str, outcome: str, treated: str,
    exposure: str | None, treated_units: list[str] | None,
) -> Panel:  # fmt: skip
    """Long rows, or a column a site."""
    if wide:
        return wide_panel(table, time=time, treated_units=treated_units or [])
    return panel_from_table(
        table, unit=unit, time=time, outcome=outcome, treated=treated, exposure=exposure,
        treated_units=treated_units,
    )  # fmt: skip


@app.command()
def sc(
    csv: Csv,
    at: At,
    treated_unit: Annotated[str | None, typer.Option(help="The treated site's name.")] = None,
    unit: Unit = "unit",
    time: TimeColumn = "time",
    outcome: Outcome = "y",
    treated: Annotated[str, typer.Option(help="Column of 1/0 or treated/control.")] = "treated",
    exposure: Exposure = None,
    wide: Annotated[bool, typer.Option("--wide", help="A row a time, a column a site.")] = False,
    demean: Annotated[bool, typer.Option(help="Rebuild the course around each level.")] = False,
    level: Level = 0.95,
    alpha: Alpha = 0.05,
    as_json: AsJson = False,
) -> None:
    """Synthetic control of one treated site, with placebos.

    Example: msl evaluate sc prop99.csv --unit State --time Year --outcome PacksPerCapita --at 1989
    --treated-unit California
    """
    table = read_table(csv)
    named = None if treated_unit is None else [treated_unit]
    panel = _panel(table, wide, unit, time, outcome, treated, exposure, named)
    request = ScRequest(
        panel=panel,
        start=option_moment("--at", at, table.times(time)[1]),
        demean=demean,
        level=level,
        alpha=alpha,
    )
    _show(synthetic_control(request), as_json)


@app.command("bsts")
def bsts_command(
    csv: Csv,
    at: At,
    outcome: Outcome = "y",
    time: TimeColumn = "time",
    control: Annotated[
        list[str] | None, typer.Option(help="Column of a control series; may be repeated.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Last time that counts as after.")] = None,
    draws: Annotated[int, typer.Option(min=200, max=100_000, help="Of the sampler.")] = 2000,
    season: Annotated[
        int, typer.Option(min=0, help="Steps in a fixed season (7 for days); 0 for none.")
    ] = 0,
    level_sd: Annotated[
        float | None,
        typer.Option(
            min=1e-6,
            help="Believe this for the level's step, in standard deviations of y (CausalImpact:"
            " 0.01); estimated if absent.",
        ),
    ] = None,
    unit: Annotated[
        str | None, typer.Option(help="Column of sites, for long rows; --treated-unit is y.")
    ] = None,
    treated_unit: Annotated[str | None, typer.Option(help="The treated site's name.")] = None,
    level: Level = 0.95,
    alpha: Alpha = 0.05,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Bayesian structural time series: level and spike-and-slab regression on controls.

    Without --control every other column of the CSV is one.

    Example: msl evaluate bsts sensors.csv --outcome square --control park --control quay
    --at 2026-03-02
    """
    table = read_table(csv)
    times, kind = table.times(time)
    if (unit is None) != (treated_unit is None):
        raise BadRequest("--unit and --treated-unit belong together")
    if unit is not None and treated_unit is not None:
        panel = panel_from_table(
            table, unit=unit, time=time, outcome=outcome, treated="", treated_units=[treated_unit]
        )
        mine = panel.sites.index(treated_unit)
        chosen = control if control is not None else [s for s in panel.sites if s != treated_unit]
        series = dict(zip(panel.sites, panel.y, strict=True))
        missing = [name for name in chosen if name not in series]
        if missing:
            raise BadRequest(f"no unit {missing[0]!r}")
        times, y = panel.times, panel.y[mine]
        controls = {name: series[name] for name in chosen}
    else:
        names = control if control is not None else [
            name for name in table.columns if name not in (outcome, time)
        ]  # fmt: skip
        order = np.argsort(times, kind="stable")
        times, y = times[order], table.numbers_or_nan(outcome)[order]
        controls = {name: table.numbers_or_nan(name)[order] for name in names}
    request = BstsRequest(
        time=times,
        y=y,
        controls=controls,
        start=option_moment("--at", at, kind),
        kind=kind,
        until=_given("--until", until, kind),
        draws=draws,
        season=season,
        level_sd=level_sd,
        level=level,
        alpha=alpha,
        seed=seed,
    )
    _show(bsts_and_causal_impact(request), as_json)


def _given(option: str, text: str | None, kind: Kind) -> float | None:
    return None if text is None else option_moment(option, text, kind)


def _show(result: Result, as_json: bool) -> None:
    rendering.show(result, as_json=as_json)
