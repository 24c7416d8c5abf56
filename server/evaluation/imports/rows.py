"""Rows of a CSV as incidents or answers; every row that doesn't fit is named, with its reason."""

import csv
import io
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from server.evaluation.data.snapshot import Incident, SurveyAnswer
from server.evaluation.errors import BadRequest
from server.evaluation.imports.areas import Area, Circle, arm_of_point
from server.evaluation.imports.mapping import Mapping

_ARMS = ("treated", "control", "buffer")


class BadRow(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the file and why it was not taken."""

    line: int
    why: str


class Rows(msgspec.Struct, kw_only=True):
    """What fits, what doesn't, and how many lie outside of all areas."""

    incidents: list[Incident] = []
    answers: list[SurveyAnswer] = []
    bad: list[BadRow] = []
    outside: int = 0


class _Bad(ValueError):
    pass


def read_rows(
    content: bytes, mapping: Mapping, areas: list[Area], circles: list[Circle], now: datetime
) -> Rows:
    """Every row of a CSV, judged one by one; nothing is guessed and nothing is dropped in silence.

    Raises:
        BadRequest: The file as a whole can't be read, or lacks a column.
    """
    try:
        zone = ZoneInfo(mapping.timezone)
        text = content.decode(mapping.encoding)
    except (ZoneInfoNotFoundError, LookupError, UnicodeDecodeError) as error:
        raise BadRequest(f"the file can't be read as the mapping says: {error}") from None
    reader = csv.DictReader(io.StringIO(text), delimiter=mapping.delimiter)
    missing = set(mapping.columns.values()) - set(reader.fieldnames or [])
    if missing:
        raise BadRequest(
            f"no column {', '.join(sorted(missing))};"
            f" there are {', '.join(reader.fieldnames or [])}"
        )
    found = Rows()
    for row in reader:
        try:
            _take(found, _Cells(row, mapping, zone), areas, circles, now)
        except _Bad as error:
            found.bad.append(BadRow(line=reader.line_num, why=str(error)))
    return found


class _Cells:
    """One row's cells by meaning."""

    def __init__(self, row: dict[str, str | None], mapping: Mapping, zone: ZoneInfo) -> None:
        self.row, self.mapping, self.zone = row, mapping, zone

    def has(self, meaning: str) -> bool:
        return meaning in self.mapping.columns

    def text(self, meaning: str) -> str:
        cell = (self.row.get(self.mapping.columns[meaning]) or "").strip()
        if not cell:
            raise _Bad(f"{self.mapping.columns[meaning]} is empty")
        return self.mapping.values.get(meaning, {}).get(cell, cell)

    def number(self, meaning: str, low: float, high: float) -> float:
        cell = self.text(meaning)
        try:
            value = float(cell)
        except ValueError:
            raise _Bad(f"{self.mapping.columns[meaning]} is {cell!r}, no number") from None
        if not low <= value <= high:
            raise _Bad(f"{self.mapping.columns[meaning]} is {cell}, not {low:g} to {high:g}")
        return value

    def time(self) -> datetime:
        cell, form = self.text("at"), self.mapping.time_format
        try:
            at = datetime.strptime(cell, form) if form else datetime.fromisoformat(cell)  # noqa: DTZ007
        except ValueError:
            wanted = form or "ISO 8601, as 2026-03-01T22:30"
            raise _Bad(f"{self.mapping.columns['at']} is {cell!r}, not {wanted}") from None
        if at.tzinfo is None:
            at = at.replace(tzinfo=self.zone)
            # A local time that the clock skipped in spring comes back as another one.
            if at.astimezone(UTC).astimezone(self.zone).replace(tzinfo=None) != at.replace(
                tzinfo=None
            ):
                raise _Bad(f"{cell} does not exist in {self.mapping.timezone}: clocks skip it")
        return at.astimezone(UTC)


def _take(
    found: Rows, cells: _Cells, areas: list[Area], circles: list[Circle], now: datetime
) -> None:
    placed = _place(cells, areas, circles)
    if cells.mapping.kind == "incidents":
        at, category = cells.time(), cells.text("category")
        if at > now:
            raise _Bad(f"{at:%Y-%m-%d %H:%M} UTC lies in the future")
        if placed is None:
            found.outside += 1
            return
        arm, site = placed
        found.incidents.append(Incident(at=at, arm=arm, category=category, site=site))
        return
    answer = _answer(cells)
    if placed is None:
        found.outside += 1
        return
    if placed[0] == "buffer":
        raise _Bad("an answer from the buffer: surveys compare treated and control")
    found.answers.append(msgspec.structs.replace(answer, arm=placed[0]))


def _answer(cells: _Cells) -> SurveyAnswer:
    wave, word = cells.text("wave"), cells.text("answer")
    if wave not in ("before", "after"):
        raise _Bad(f"{cells.mapping.columns['wave']} is {wave!r}, not before or after")
    if word in cells.mapping.answers:
        rank = cells.mapping.answers[word]
    elif word.isdecimal():
        rank = int(word)
    else:
        raise _Bad(f"{cells.mapping.columns['answer']} is {word!r}, which [answers] doesn't list")
    question = cells.mapping.question or cells.text("question")
    weight = cells.number("weight", 1e-6, 1e6) if cells.has("weight") else 1.0
    return SurveyAnswer(wave=wave, arm="", question=question, answer=rank, weight=weight)


def _place(
    cells: _Cells, areas: list[Area], circles: list[Circle]
) -> tuple[str, str | None] | None:
    if cells.has("arm"):
        arm = cells.text("arm")
        if arm not in _ARMS:
            raise _Bad(f"{cells.mapping.columns['arm']} is {arm!r}, not {', '.join(_ARMS)}")
        return arm, None
    if cells.has("area"):
        name = cells.text("area")
        known = {area.name: area for area in areas}
        if name not in known:
            raise _Bad(f"no area {name!r} in the areas file")
        return known[name].arm, known[name].site
    return arm_of_point(
        areas, circles, cells.number("latitude", -90, 90), cells.number("longitude", -180, 180)
    )
