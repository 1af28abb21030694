"""The environment of our processes: an allow-list, so that no agent starts with somebody's secrets around it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

ALLOWED = frozenset(
    {
        "HOME",
        "LANG",
        "LC_ALL",
        "LC_CTYPE",
        "LD_LIBRARY_PATH",
        "LOGNAME",
        "OTEL_RESOURCE_ATTRIBUTES",
        "PATH",
        "PYTHONPATH",
        "PYTHONDONTWRITEBYTECODE",
        "RAY_AUTH_MODE",
        "RAY_AUTH_TOKEN_PATH",
        "RIVERGATE_CACHE_DIR",
        "SSL_CERT_DIR",
        "SSL_CERT_FILE",
        "TMPDIR",
        "TZ",
        "USER",
        "VIRTUAL_ENV",
        "OPENBLAS_CORETYPE",
        "OPENBLAS_L2_SIZE",
    }
)

FIXED = {
    "PYTHONHASHSEED": "0",  # equal states must pickle equally in every process
    "PYTHONUNBUFFERED": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
}


def scrubbed(environ: Mapping[str, str], declared: Iterable[str] = ()) -> dict[str, str]:
    """What of `environ` a process of ours may see: the allow-list and the names that the app declares."""
    allowed = ALLOWED | set(declared)
    return {k: v for k, v in environ.items() if k in allowed} | FIXED
