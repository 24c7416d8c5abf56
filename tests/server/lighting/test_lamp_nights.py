from collections.abc import Callable

import numpy as np

from server.lighting.lamp_nights import LampMemory, read_lamp
from server.lighting.night_grid import NightGrid, laid_out, night_grid


def part(grid: NightGrid, first: int, last: int) -> NightGrid:
    rows = slice(first, last)
    return NightGrid(
        start_s=grid.start_s + first * 86_400,
        sun_deg=grid.sun_deg[rows],
        clear_lx=grid.clear_lx[rows],
    )


def test_reading_the_last_nights_from_memory_is_reading_them_all(street: Callable) -> None:  # type: ignore[type-arg]
    here = street(60)
    lit = here.lit()
    late = lit * np.roll(lit, 40)
    lit[here.minute(35) : here.minute(50)] = late[here.minute(35) : here.minute(50)]
    lit[here.minute(52) : here.minute(55)] = 0
    samples = here.samples(lit)
    grid = night_grid(int(samples.t_s[0]), int(samples.t_s[-1]), *here.place)
    lux = laid_out(grid, samples.t_s, samples.lux)
    whole = read_lamp(grid, lux, LampMemory())
    memory = LampMemory()
    read_lamp(part(grid, 0, 40), lux[:40], memory)
    rest = read_lamp(part(grid, 40, grid.nights), lux[40:], memory)
    theirs = [(one.expected, one.wrong, one.missing) for one in whole.judged[80:]]
    assert [(one.expected, one.wrong, one.missing) for one in rest.judged] == theirs
    np.testing.assert_array_equal(rest.ratio_log, whole.ratio_log[40:])
    assert [window.night + 40 for window in rest.windows] == [
        window.night for window in whole.windows if window.night >= 40
    ]
    assert [run.begin for one in rest.outages for run in one.runs] == [
        run.begin for one in whole.outages for run in one.runs if run.night >= 40
    ]
