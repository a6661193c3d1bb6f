"""Whether tables and figures are still as they were written."""

from spml.desk.finding import FAIL, OK, Finding
from spml.plumbing.checksums import damaged

RESULTS = "results"


def check_results() -> list[Finding]:
    """Files that something has changed since, which stop whatever reads them."""
    found = damaged(RESULTS)
    if not found:
        return [Finding(OK, "results: tables, figures and metrics are as they were written")]
    return [
        Finding(FAIL, f"results: {path} is not as it was written; delete it, and it is made anew")
        for path in found
    ]
