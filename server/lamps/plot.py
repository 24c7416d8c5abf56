"""A lamp's light over some days as SVG: lux (log), night shaded, spans told lit and dark, episodes.

Drawn here, as the page's sparklines are: no script, no asset. Colours are attributes, so that the
file stands alone, and classes, so that the page can be dark.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape
from math import log10
from zoneinfo import ZoneInfo

WIDTH, HEIGHT = 960, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 54, 12, 34, 54
_LOW_LX, _HIGH_LX = 0.01, 100_000.0
# More points than pixels say nothing more: each column shows its lowest and highest.
_COLUMNS = WIDTH - _LEFT - _RIGHT
_GAP = timedelta(minutes=20)


@dataclass(frozen=True)
class Span:
    """Something that lasts, with its words."""

    begin: datetime
    end: datetime
    words: str


@dataclass(frozen=True)
class Light:
    """Lux at moments, in order; None where nothing was measured."""

    times: Sequence[datetime]
    lux: Sequence[float | None]


def draw(
    light: Light,
    begin: datetime,
    end: datetime,
    zone: ZoneInfo,
    *,
    nights: Sequence[Span] = (),
    lit: Sequence[Span] = (),
    dark: Sequence[Span] = (),
    episodes: Sequence[Span] = (),
    title: str,
) -> str:
    """The picture as SVG."""

    def x(at: datetime) -> float:
        share = (min(max(at, begin), end) - begin) / (end - begin)
        return _LEFT + share * (WIDTH - _LEFT - _RIGHT)

    floor = HEIGHT - _BOTTOM

    def rect(span: Span, y: float, height: float, css: str, fill: str) -> str:
        if span.end <= begin or span.begin >= end:
            return ""
        left = x(span.begin)
        width = max(x(span.end) - left, 1)
        return (
            f'<rect class="{css}" fill="{fill}" x="{left:.1f}" y="{y}" width="{width:.1f}"'
            f' height="{height}"><title>{escape(span.words)}</title></rect>'
        )

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="plot" viewBox="0 0 {WIDTH} {HEIGHT}"'
        f' role="img" aria-label="{escape(title)}" font-family="sans-serif" font-size="12">',
        f"<title>{escape(title)}</title>",
        *(rect(span, _TOP, floor - _TOP, "p-night", "#dfe3ea") for span in nights),
        *(rect(span, _TOP - 24, 14, "p-episode", "#D55E00") for span in episodes),
        *(rect(span, floor + 4, 8, "p-lit", "#E69F00") for span in lit),
        *(rect(span, floor + 4, 8, "p-dark", "#0072B2") for span in dark),
        *_grid(),
        *_days(begin, end, zone, x),
        *(
            f'<polyline class="p-line" fill="none" stroke="#0072B2" points="{points}"/>'
            for points in _lines(light, begin, end, x)
        ),
        f'<text class="p-text" x="{_LEFT}" y="{HEIGHT - 6}">bar below: orange told lit, blue told'
        " dark, empty can't be told; grey: sun under -6°; top: episodes</text>",
        "</svg>",
    ]
    return "\n".join(part for part in parts if part)


def _y(lux: float) -> float:
    share = (log10(min(max(lux, _LOW_LX), _HIGH_LX)) - log10(_LOW_LX)) / (
        log10(_HIGH_LX) - log10(_LOW_LX)
    )
    return HEIGHT - _BOTTOM - share * (HEIGHT - _BOTTOM - _TOP)


def _grid() -> list[str]:
    lines = []
    for lux in (0.01, 0.1, 1, 10, 100, 1000, 10_000, 100_000):
        y = _y(lux)
        label = f"{lux:,.2f}".rstrip("0").rstrip(".") if lux < 1 else f"{lux:,.0f}"
        lines.append(
            f'<line class="p-grid" stroke="#c3c9d1" x1="{_LEFT}" x2="{WIDTH - _RIGHT}"'
            f' y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="p-text" text-anchor="end" x="{_LEFT - 6}" y="{y + 4:.1f}">{label}</text>'
        )
    lines.append(f'<text class="p-text" x="4" y="{_TOP - 10}">lx</text>')
    return lines


def _days(
    begin: datetime, end: datetime, zone: ZoneInfo, x: Callable[[datetime], float]
) -> list[str]:
    first = begin.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    days = max((end - begin).days, 1)
    step = max(days // 8, 1)
    found = []
    for number in range(0, days + 2, step):
        at = first + timedelta(days=number)  # wall clock: midnight stays midnight
        if begin <= at.astimezone(UTC) <= end:
            place = x(at.astimezone(UTC))
            found.append(
                f'<line class="p-grid" stroke="#c3c9d1" x1="{place:.1f}" x2="{place:.1f}"'
                f' y1="{_TOP}" y2="{HEIGHT - _BOTTOM}"/>'
                f'<text class="p-text" text-anchor="middle" x="{place:.1f}"'
                f' y="{HEIGHT - _BOTTOM + 26}">{at:%d %b}</text>'
            )
    return found


def _lines(
    light: Light, begin: datetime, end: datetime, x: Callable[[datetime], float]
) -> list[str]:
    """Polylines of lowest and highest a column; they break where nothing was measured."""
    width = (end - begin) / _COLUMNS
    lines: list[list[str]] = []
    column: tuple[int, float, float] | None = None
    last: datetime | None = None

    def close() -> None:
        nonlocal column
        if column is not None:
            place = x(begin + (column[0] + 0.5) * width)
            lines[-1] += [f"{place:.1f},{_y(value):.1f}" for value in dict.fromkeys(column[1:])]
        column = None

    for at, lux in zip(light.times, light.lux, strict=True):
        if lux is None or not begin <= at < end:
            continue
        number = int((at - begin) / width)
        if last is None or at - last > max(_GAP, 2 * width):
            close()
            lines.append([])
        elif column is not None and number != column[0]:
            close()
        low, high = (column[1], column[2]) if column is not None else (lux, lux)
        column, last = (number, min(low, lux), max(high, lux)), at
    close()
    return [" ".join(points) for points in lines if len(points) > 1]
