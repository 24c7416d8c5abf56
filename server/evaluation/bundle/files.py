"""The bundle: one zip with the data, the plan, the code's version and the results.

`data/hours.csv` holds every hour of every site as it was read (empty = not measured), so that it
can be opened by anything; `manifest.json` has the SHA-256 of each file.
"""

import csv
import hashlib
import io
import zipfile
from pathlib import Path

import msgspec
import numpy as np

from server.evaluation.data.snapshot import SERIES, SiteHours, Snapshot
from server.evaluation.errors import BadRequest
from server.evaluation.evaluation import Evaluation
from server.evaluation.linear import Array
from server.evaluation.plan.canonical import Intervention, LockedPlan
from server.evaluation.plan.plan import Plan

FORMAT = "municipal-safety-lab evaluation 1"
# So that the same content is the same file, whenever it was written.
_NO_TIME = (1980, 1, 1, 0, 0, 0)
_MOST_BYTES = 2_000_000_000


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What is in the bundle, and the hash of each file."""

    format: str
    files: dict[str, str]


class _Known(msgspec.Struct, kw_only=True):
    """A snapshot without its hours."""

    sites: list[dict[str, str | float]]
    rest: dict[str, msgspec.Raw]
    first_hour: float
    hours: int


class Bundle(msgspec.Struct, kw_only=True, eq=False):
    """A bundle as it was read."""

    plan: Plan
    intervention: Intervention
    snapshot: Snapshot
    snapshot_sha256: str
    locked: LockedPlan | None
    results: Evaluation


def data_files(snapshot: Snapshot) -> dict[str, bytes]:
    """The snapshot as files."""
    return {"data/hours.csv": _hours_csv(snapshot), "data/known.json": _known_json(snapshot)}


def snapshot_hash(files: dict[str, bytes]) -> str:
    """SHA-256 over the data files' own hashes, by name."""
    lines = "".join(f"{name} {_sha256(content)}\n" for name, content in sorted(files.items()))
    return _sha256(lines.encode())


def write_bundle(
    path: Path, files: dict[str, bytes], results: Evaluation, locked: LockedPlan | None
) -> str:
    """Write it, and return the file's SHA-256."""
    content = dict(files)
    content["plan.json"] = _json({"plan": results.plan, "intervention": results.intervention})
    content["locked.json"] = _json(locked)
    content["results.json"] = _json(results)
    manifest = Manifest(
        format=FORMAT, files={name: _sha256(text) for name, text in sorted(content.items())}
    )
    content["manifest.json"] = _json(manifest)
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, text in sorted(content.items()):
            archive.writestr(zipfile.ZipInfo(name, _NO_TIME), text, zipfile.ZIP_DEFLATED)
    path.write_bytes(held.getvalue())
    return _sha256(held.getvalue())


def read_bundle(path: Path) -> Bundle:
    """A bundle whose every file has the hash that the manifest gives.

    Raises:
        BadRequest: Not a bundle, or a file was changed, is missing or was added.
    """
    content = _checked(path)
    both = msgspec.json.decode(content["plan.json"], type=_Both)
    files = {name: text for name, text in content.items() if name.startswith("data/")}
    return Bundle(
        plan=both.plan, intervention=both.intervention,
        snapshot=_snapshot(files["data/hours.csv"], files["data/known.json"], path),
        snapshot_sha256=snapshot_hash(files),
        locked=msgspec.json.decode(content["locked.json"], type=LockedPlan | None),
        results=msgspec.json.decode(content["results.json"], type=Evaluation),
    )  # fmt: skip


def read_results(path: Path) -> Evaluation:
    """Only the results, for pooling and reports; hashes are checked all the same."""
    return msgspec.json.decode(_checked(path)["results.json"], type=Evaluation)


class _Both(msgspec.Struct):
    plan: Plan
    intervention: Intervention


def _checked(path: Path) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(info.file_size for info in archive.infolist()) > _MOST_BYTES:
                raise BadRequest(f"{path.name} unpacks to over 2 GB: no bundle of ours")
            content = {info.filename: archive.read(info) for info in archive.infolist()}
        manifest = msgspec.json.decode(content.pop("manifest.json"), type=Manifest)
    except FileNotFoundError:
        raise BadRequest(f"no bundle at {path}") from None
    except (zipfile.BadZipFile, KeyError, msgspec.DecodeError) as error:
        raise BadRequest(f"{path.name} is not a bundle: {error}") from None
    if manifest.format != FORMAT:
        raise BadRequest(f"{path.name} is of format {manifest.format!r}, this reads {FORMAT!r}")
    for name in sorted(manifest.files.keys() | content.keys()):
        if name not in content:
            raise BadRequest(f"{path.name}: {name} is missing")
        if manifest.files.get(name) != _sha256(content[name]):
            raise BadRequest(f"{path.name}: {name} was changed after the run: its hash differs")
    return content


def _hours_csv(snapshot: Snapshot) -> bytes:
    """Hours in which anything was measured; repr() of a float comes back as the same float."""
    out = io.StringIO()
    out.write("site,utc_s," + ",".join(SERIES) + "\n")
    for site in snapshot.sites:
        columns = np.array([getattr(site, name) for name in SERIES])
        seen = np.flatnonzero(np.isfinite(columns).any(axis=0))
        for t, values in zip(snapshot.hour[seen], columns[:, seen].T.tolist(), strict=True):
            cells = ",".join("" if v != v else repr(v) for v in values)
            out.write(f"{site.site},{t:.0f},{cells}\n")
    return out.getvalue().encode()


def _known_json(snapshot: Snapshot) -> bytes:
    sites = [
        {name: getattr(site, name) for name in ("site", "name", "tz", "latitude", "longitude")}
        for site in snapshot.sites
    ]
    rest = {name: getattr(snapshot, name) for name in _REST}
    return _json(
        {
            "sites": sites, "rest": rest, "first_hour": float(snapshot.hour[0]),
            "hours": len(snapshot.hour),
        }
    )  # fmt: skip


_REST = ("breaks", "validated", "incidents", "answers", "notes", "simulated", "taken_at")


def _snapshot(hours: bytes, known: bytes, path: Path) -> Snapshot:
    told = msgspec.json.decode(known, type=_Known)
    hour = told.first_hour + 3600.0 * np.arange(told.hours, dtype=np.float64)
    columns: dict[str, dict[str, Array]] = {
        str(site["site"]): {name: np.full(told.hours, np.nan) for name in SERIES}
        for site in told.sites
    }
    rows = csv.reader(io.StringIO(hours.decode()))
    if next(rows) != ["site", "utc_s", *SERIES]:
        raise BadRequest(f"{path.name}: data/hours.csv has other columns")
    for site, t, *cells in rows:
        place = int((float(t) - told.first_hour) // 3600)
        mine = columns[site]
        for name, cell in zip(SERIES, cells, strict=True):
            if cell:
                mine[name][place] = float(cell)
    empty = Snapshot(hour=hour, sites=[])
    rest = {
        name: msgspec.json.decode(told.rest[name], type=kind) for name, kind in _kinds().items()
    }
    sites = [
        SiteHours(**site, **columns[str(site["site"])])  # type: ignore[arg-type]
        for site in told.sites
    ]
    return msgspec.structs.replace(empty, sites=sites, **rest)


def _kinds() -> dict[str, object]:
    fields = {field.name: field.type for field in msgspec.structs.fields(Snapshot)}
    return {name: fields[name] for name in _REST}


def _json(value: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value, order="sorted"), indent=1)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
