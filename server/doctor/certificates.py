"""The certificates that this process would use: until when they hold."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from server.doctor.finding import Finding, failed, ok, skipped, warn
from server.settings import Settings

# They live 90 days and are renewed from two thirds of that on.
WARN_BEFORE = timedelta(days=14)


def common_name(path: Path) -> str:
    """Whose certificate it is; raises OSError or ValueError when it can't be read."""
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


def check_certificates(values: Settings, now: datetime | None = None) -> list[Finding]:
    """A line for every certificate that a setting names."""
    named = {
        "broker_ca_file": values.broker_ca_file,
        "broker_cert_file": values.broker_cert_file,
        "probe_cert_file": values.probe_cert_file,
    }
    at = now or datetime.now(UTC)
    found = [_check(name, Path(path), at) for name, path in named.items() if path is not None]
    return found or [skipped("certificates", "none is set here")]


def _check(name: str, path: Path, now: datetime) -> Finding:
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        return failed("certificate", f"{name} {path}: {error}", "issue it anew, or fix the setting")
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    whose = f"{name} {path.name}"
    if now < begins:
        return failed("certificate", f"{whose} is valid only from {_day(begins)}", "set the clock")
    if now >= ends:
        return failed("certificate", f"{whose} expired {_day(ends)}", "renew it and restart")
    left = ends - now
    detail = f"{whose} until {_day(ends)}, {left.days} days"
    if left < WARN_BEFORE:
        return warn("certificate", detail, "renew it and restart the process")
    return ok("certificate", detail)


def _day(at: datetime) -> str:
    return at.date().isoformat()
