"""The dependency audit: what it finds, and how its list is made."""

import importlib.util
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_spec = importlib.util.spec_from_file_location("audit", ROOT / "envs/audit.py")
assert _spec is not None
assert _spec.loader is not None
audit = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(audit)

# What OSV answers about a package, cut to what is read.
ANSWER = {
    "vulns": [
        {
            "id": "PYSEC-2023-212",
            "aliases": ["CVE-2023-45803"],
            "affected": [
                {
                    "package": {"name": "urllib3", "ecosystem": "PyPI"},
                    "ranges": [
                        {"type": "GIT", "events": [{"introduced": "0"}, {"fixed": "4e98d57"}]},
                        {
                            "type": "ECOSYSTEM",
                            "events": [
                                *({"introduced": "2.0.0"}, {"fixed": "2.0.7"}),
                                *({"introduced": "0"}, {"fixed": "1.26.18"}),
                            ],
                        },
                    ],
                }
            ],
        },
        {"id": "GONE", "withdrawn": "2024-01-01", "affected": []},
        {"id": "ODD", "affected": [{"package": {"name": "other"}, "ranges": []}]},
    ]
}


class Database(BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()
        known = asked["package"]["name"] == "urllib3"
        self.wfile.write(json.dumps(ANSWER if known else {}).encode())

    def log_message(self, *arguments):
        pass


@pytest.fixture
def database():
    with HTTPServer(("127.0.0.1", 0), Database) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_lock_has_no_package_that_is_known_to_be_vulnerable():
    assert audit.audit(audit.LOCK, audit.ADVISORIES) == []
    assert len(audit.locked(audit.LOCK)) > 100


def test_stored_list_is_about_packages_of_the_lock_and_can_be_compared():
    names = {name for name, _ in audit.locked(audit.LOCK)}
    for advisory in json.loads(audit.ADVISORIES.read_text())["advisories"]:
        assert advisory["package"] in names
        assert audit.is_affected("0", advisory["ranges"]) in (True, False)


@pytest.mark.parametrize(
    ("version", "vulnerable"),
    [("1.26.17", True), ("1.26.18", False), ("2.0.0", True), ("2.0.6", True), ("2.0.7", False)],
)
def test_list_is_fetched_and_finds_the_affected_versions(tmp_path, database, version, vulnerable):
    lock, stored = tmp_path / "lock", tmp_path / "list.json"
    lock.write_text(
        f"torch==9.0 \\\n    --hash=sha256:0\nurllib3=={version} ; python_version > '3'\n"
    )
    assert audit.refresh(lock, stored, database) == 1
    found = audit.audit(lock, stored)
    expected = [f"urllib3 {version} is vulnerable: PYSEC-2023-212 CVE-2023-45803"]
    assert found == (expected if vulnerable else [])
