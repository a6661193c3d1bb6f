"""Compare the lock with a stored list of known vulnerabilities; ``--refresh`` fetches that list.

The comparison needs no network, so that checks are quick and give the same answer each time. The
list is what OSV, the open database of vulnerabilities, knows about the packages of the lock.
"""

import argparse
import datetime
import json
import re
import sys
import urllib.request
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

FOLDER = Path(__file__).parent
LOCK = FOLDER / "requirements.lock"
ADVISORIES = FOLDER / "advisories.json"
ADDRESS = "https://api.osv.dev/v1/query"


def locked(lock: Path) -> list[tuple[str, str]]:
    """Name and version of each package of a lock."""
    text = lock.read_text(encoding="utf-8")
    return re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", text, re.MULTILINE)


def is_affected(version: str, ranges: list[list[str | None]]) -> bool:
    """Whether a version lies in one of the ranges; each ends before the version that mends it."""
    found = Version(version)
    return any(
        Version(first or "0") <= found and (mended is None or found < Version(mended))
        for first, mended in ranges
    )


def audit(lock: Path, advisories: Path) -> list[str]:
    """A sentence for each package of the lock that is known to be vulnerable."""
    known = json.loads(advisories.read_text(encoding="utf-8"))["advisories"]
    return [
        f"{name} {version} is vulnerable: {advisory['id']} {' '.join(advisory['aliases'])}".rstrip()
        for name, version in locked(lock)
        for advisory in known
        if advisory["package"] == name and is_affected(version, advisory["ranges"])
    ]


def read_ranges(affected: list[dict[str, Any]], package: str) -> list[list[str | None]]:
    """First affected and first mended version, from one entry of OSV."""
    ranges: list[list[str | None]] = []
    for item in affected:
        if item["package"].get("name", "").lower() != package:
            continue
        for span in item.get("ranges", []):
            if span["type"] != "ECOSYSTEM":
                continue
            for event in span["events"]:
                if "introduced" in event:
                    ranges.append([event["introduced"], None])
                elif "fixed" in event and ranges:
                    ranges[-1][1] = event["fixed"]
    return ranges


def fetch(package: str, address: str = ADDRESS) -> list[dict[str, Any]]:
    """All that OSV knows about a package."""
    query = {"package": {"name": package, "ecosystem": "PyPI"}}
    request = urllib.request.Request(address, json.dumps(query).encode())  # noqa: S310 - https
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        entries = json.load(answer).get("vulns", [])
    advisories = [
        {
            "id": entry["id"],
            "aliases": sorted(entry.get("aliases", [])),
            "package": package,
            "ranges": read_ranges(entry["affected"], package),
        }
        for entry in entries
        if "withdrawn" not in entry
    ]
    return [advisory for advisory in advisories if _readable(advisory["ranges"])]


def _readable(ranges: list[list[str | None]]) -> bool:
    try:
        is_affected("0", ranges)
    except InvalidVersion:
        return False
    return bool(ranges)


def refresh(lock: Path, advisories: Path, address: str = ADDRESS) -> int:
    """Fetch the list anew and return its length; without an answer the old list stays."""
    packages = sorted({name for name, _ in locked(lock)})
    entries = [entry for package in packages for entry in fetch(package, address)]
    document = {
        "note": "Known vulnerabilities of packages that this project uses; "
        "`make audit-list` fetches them anew.",
        "source": "OSV",
        "retrieved": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }
    lines = ",\n".join(f"    {json.dumps(entry)}" for entry in entries)
    text = (
        json.dumps(document, indent=2).removesuffix("\n}")
        + f',\n  "advisories": [\n{lines}\n  ]\n}}\n'
    )
    advisories.write_text(text, encoding="utf-8")
    return len(entries)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python envs/audit.py", description=__doc__)
    parser.add_argument("--refresh", action="store_true", help="fetch the list first")
    if parser.parse_args().refresh:
        try:
            print(f"{ADVISORIES}: {refresh(LOCK, ADVISORIES)} advisories")
        except OSError as error:
            sys.exit(f"error: {ADDRESS} does not answer ({error}); the stored list is kept")
    found = audit(LOCK, ADVISORIES)
    if found:
        sys.exit("\n".join(found))
    listed = json.loads(ADVISORIES.read_text(encoding="utf-8"))
    print(
        f"{len(locked(LOCK))} packages, none of them among the {len(listed['advisories'])} "
        f"advisories of {listed['retrieved']}"
    )


if __name__ == "__main__":
    main()
