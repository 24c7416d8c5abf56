"""`msl evaluate survey`: perception surveys before and after, on a CSV."""

from typing import Annotated

import typer

from server.evaluation import rendering
from server.evaluation.options import Alpha, AsJson, Csv, Level
from server.evaluation.survey import survey_did
from server.evaluation.survey_table import SurveyColumns, order_of, survey_from_table
from server.evaluation.table import read_table

app = typer.Typer(add_completion=False)


@app.command("survey")
def survey_command(
    csv: Csv,
    answer: Annotated[str, typer.Option(help="Column of answers; empty = no answer.")] = "answer",
    arm: Annotated[str, typer.Option(help="Column of treated/control or 1/0.")] = "arm",
    period: Annotated[str, typer.Option(help="Column of before/after or 0/1.")] = "period",
    order: Annotated[
        str | None, typer.Option(help="Worded answers, lowest first: 'very unsafe,unsafe,safe'.")
    ] = None,
    count: Annotated[
        str | None, typer.Option(help="Column: how many gave this answer (a row a group).")
    ] = None,
    weight: Annotated[str | None, typer.Option(help="Column of sampling weights.")] = None,
    cluster: Annotated[
        str | None, typer.Option(help="Column of what was sampled as one (street, household).")
    ] = None,
    design_effect: Annotated[
        float | None, typer.Option(min=0.1, help="Known one; else from weights and clusters.")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Answers from here up are positive; upper half if absent.")
    ] = None,
    level: Level = 0.95,
    alpha: Alpha = 0.05,
    as_json: AsJson = False,
) -> None:
    """Difference in differences of ordinal answers: odds ratio of a higher one, and shares.

    Independent cross-sections before and after, in a treated and a control area. Answers are never
    averaged.

    Example: msl evaluate survey answers.csv --answer feels_safe --weight w --threshold 4
    """
    columns = SurveyColumns(
        answer=answer, arm=arm, period=period, weight=weight, count=count, cluster=cluster,
        order=order_of(order),
    )  # fmt: skip
    request = survey_from_table(
        read_table(csv), columns, threshold=threshold, design_effect=design_effect, level=level,
        alpha=alpha,
    )  # fmt: skip
    rendering.show(survey_did(request), as_json=as_json)
