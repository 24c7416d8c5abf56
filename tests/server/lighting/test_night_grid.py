import numpy as np

from server.lighting.night_grid import laid_out, median_of_three, night_grid


def test_a_row_begins_at_solar_noon_and_holds_the_night() -> None:
    grid = night_grid(1_736_506_800, 1_736_506_800 + 3 * 86_400, 52.5, 13.4)
    assert grid.sun_deg[1].argmin() in range(690, 750)
    assert grid.is_night[1].any()
    assert not grid.is_night[1][[0, -1]].any()


def test_a_missing_minute_stays_unknown() -> None:
    start_s = 1_736_506_800
    grid = night_grid(start_s, start_s + 86_400, 52.5, 13.4)
    lux = laid_out(grid, np.array([start_s, start_s + 120]), np.array([5, 7], dtype=np.float32))
    at = (start_s - grid.start_s) // 60
    assert lux.ravel()[at] == 5
    assert np.isnan(lux.ravel()[at + 1])


def test_median_of_three_drops_one_car_and_keeps_an_edge() -> None:
    lux = np.full((1, 1440), 2.0, dtype=np.float32)
    lux[0, 100] = 50
    lux[0, 700:] = 20
    lux[0, 900] = np.nan
    smooth = median_of_three(lux)
    assert smooth[0, 100] == 2
    assert (smooth[0, 699], smooth[0, 700]) == (2, 20)
    assert np.isnan(smooth[0, 900])


def test_a_midsummer_night_at_65_deg_never_crosses_the_limit() -> None:
    grid = night_grid(1_750_000_000, 1_750_000_000 + 86_400, 65.0, 25.0)
    assert grid.column(0, -6.0, evening=True) is None
