"""Times as numbers: as they stand, as days, or as months (which are steps of one, not 28 to 31)."""

from datetime import date, datetime, timedelta
from typing import Literal

from server.evaluation.errors import BadRequest

Kind = Literal["number", "day", "month"]
_EPOCH = date(1970, 1, 1)


def kind_of(cells: list[str]) -> Kind:
    """What a column of times holds; ValueError is left to who parses the cells."""
    try:
        float(cells[0])
    except ValueError:
        pass
    else:
        return "number"
    if all(len(cell) == 7 for cell in cells):
        return "month"
    try:
        days = {datetime.fromisoformat(cell).day for cell in cells}
        months = [_month(datetime.fromisoformat(cell).date()) for cell in cells]
    except ValueError:
        return "day"
    # Firsts of different months are months; one day a year or a week are not.
    return "month" if len(days) == 1 and len(set(months)) > 2 and _dense(months) else "day"


def _dense(months: list[int]) -> bool:
    gaps = sorted(b - a for a, b in zip(sorted(set(months)), sorted(set(months))[1:], strict=False))
    return gaps[len(gaps) // 2] == 1


def number_of(text: str, kind: Kind) -> float:
    """The number a time stands for; ValueError when it can't be read."""
    if kind == "number":
        return float(text)
    day = datetime.fromisoformat(f"{text}-01" if len(text) == 7 else text).date()
    return float(_month(day) if kind == "month" else (day - _EPOCH).days)


def _month(day: date) -> int:
    return 12 * day.year + day.month - 1


def option_moment(option: str, text: str, kind: Kind) -> float:
    """A time given as an option; raises `BadRequest` with what would fit."""
    try:
        return number_of(text, kind)
    except ValueError:
        wanted = "a number, as the times are" if kind == "number" else "a date like 2026-03-01"
        raise BadRequest(f"{option} {text!r}: give {wanted}") from None


def label(value: float, kind: Kind) -> str:
    """The time as it would be written."""
    if kind == "number":
        return f"{value:g}"
    if kind == "month":
        return f"{int(value) // 12:04d}-{int(value) % 12 + 1:02d}"
    return (_EPOCH + timedelta(days=int(value))).isoformat()
