from collections.abc import Callable

import numpy as np

from server.lighting.lamp_nights import LampMemory, lamp_faults, read_lamp
from server.lighting.night_grid import laid_out, night_grid


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
    first = read_lamp(grid.rows(0, 40), lux[:40], memory, after=lux[40:41])
    rest = read_lamp(grid.rows(40, grid.nights), lux[40:], memory, before=lux[39:40])
    both = first.then(rest)
    assert both.judged == whole.judged
    assert both.watched == whole.watched
    assert lamp_faults(both) == lamp_faults(whole)
    np.testing.assert_array_equal(both.ratio_log, whole.ratio_log)
