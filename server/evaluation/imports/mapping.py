"""The mapping file: which column of somebody else's table means what.

kind = "incidents"
timezone = "Europe/Berlin"
[columns]
at = "Tatzeit"
category = "Delikt"
latitude = "lat"
longitude = "lon"
[values.category]
"Diebstahl" = "theft"
"""

import tomllib
from pathlib import Path
from typing import Literal

import msgspec

from server.evaluation.errors import BadRequest

_NEEDED = {
    "incidents": ({"at", "category"}, {"latitude", "longitude", "area", "arm"}),
    "survey": ({"wave", "question", "answer"}, {"weight", "area", "arm"}),
}


class Mapping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Columns by meaning; `values` translates cells; `time_format` is strptime's, ISO if absent."""

    kind: Literal["incidents", "survey"]
    columns: dict[str, str]
    timezone: str = "UTC"
    time_format: str | None = None
    delimiter: str = ","
    encoding: str = "utf-8-sig"
    values: dict[str, dict[str, str]] = {}
    question: str | None = None
    answers: dict[str, int] = {}

    def __post_init__(self) -> None:
        needed, optional = _NEEDED[self.kind]
        if self.question is not None:
            needed = needed - {"question"}
        missing, unknown = needed - self.columns.keys(), self.columns.keys() - needed - optional
        if missing or unknown - {"question"}:
            raise ValueError(
                f"columns: missing {sorted(missing)}, unknown {sorted(unknown)};"
                f" {self.kind} takes {sorted(needed | optional)}"
            )
        if not {"arm", "area"} & self.columns.keys() and not {"latitude", "longitude"} <= set(
            self.columns
        ):
            raise ValueError("columns: say where, by latitude and longitude, by area or by arm")


def read_mapping(path: Path) -> Mapping:
    """The mapping in a TOML file; raises `BadRequest` naming the field at fault."""
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Mapping)
    except FileNotFoundError:
        raise BadRequest(f"no mapping file at {path}") from None
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise BadRequest(f"{path.name}: {error}") from None
