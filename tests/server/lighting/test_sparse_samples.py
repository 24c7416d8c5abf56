from collections.abc import Callable

from server.lighting.diagnosis import Samples, diagnose
from server.lighting.episodes import Kind

EVENING_H = 10.0


def test_a_dead_lamp_shows_in_samples_every_five_minutes(street: Callable) -> None:  # type: ignore[type-arg]
    here = street(40)
    lit = here.lit()
    lit[here.minute(30, EVENING_H) : here.minute(33)] = 0
    whole = here.samples(lit)
    sparse = Samples(t_s=whole.t_s[::5], lux=whole.lux[::5])
    (episode,) = diagnose({"a": sparse}, *here.place).episodes
    assert episode.kind is Kind.LAMP_FAILURE
