"""The GPU check on a processor: every part of it starts and answers, and none holds up another."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
# Parts that print no figures in JSON.
WITHOUT_FIGURES = ("tests_fast", "tests_network", "tests_compiled", "losses")


def start(out: Path, python: str | Path, **variables: Any) -> subprocess.Popen:
    given = {"OUT": out, "PYTHON": python, "DEVICE": "cpu", **variables}
    hidden = {"CUDA_VISIBLE_DEVICES": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.Popen(
        ["bash", FOLDER / "check.sh"],
        env={**os.environ, **hidden, **{key: str(value) for key, value in given.items()}},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def check(out: Path, python: str | Path, **variables: Any) -> tuple[int, str]:
    """The exit status of the check, and its summary, which is printed too."""
    process = start(out, python, **variables)
    printed, _ = process.communicate()
    assert (out / "summary.txt").read_text().endswith(printed)
    return process.returncode, printed


def parts(summary: str) -> dict[str, tuple[int, list[str]]]:
    """Of each part that began: its exit status and the lines that follow it in the summary."""
    found = {}
    pattern = r"^(\w+): exit (\d+) after \d+ s(?:, its limit)?\n((?:  .*\n)*)"
    for name, status, lines in re.findall(pattern, summary, re.MULTILINE):
        assert name not in found
        found[name] = (int(status), [line[2:] for line in lines.splitlines()])
    return found


# --------------------------------------------------------------------------------------------------
# The parts
# --------------------------------------------------------------------------------------------------


def script(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def bare_python(tmp_path) -> Iterator[Path]:
    """A Python that has the packages which the check needs, and no others."""
    program = FOLDER / "bare_python.py"
    folder = tempfile.TemporaryDirectory()  # its name is short, as that of a socket has to be
    address = Path(folder.name, "socket")
    process = subprocess.Popen(
        [sys.executable, program, "serve", address],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )
    while not address.exists():
        assert process.poll() is None
        time.sleep(0.05)
    # Rows of the benchmark with other batches differ in values alone.
    yield script(
        tmp_path / "python",
        f"""#!/bin/sh
        case "$*" in
        *compiled*) ;;
        *'"batch": 16'* | *'"batch": 64'*) echo '{{"not": "measured"}}'; exit 0 ;;
        esac
        exec "{sys.executable}" -I -S "{program}" run "{address}" "$@"
        """,
    )
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    folder.cleanup()


def test_every_part_starts_and_answers_with_the_packages_that_it_asks_for(bare_python, tmp_path):
    status, summary = check(tmp_path / "out", bare_python, SIZE=32, LIMIT=900)
    logs = (tmp_path / "out/logs.txt").read_text()
    assert status == 0, logs
    assert "not begun" not in summary
    found = parts(summary)
    for name, (_, lines) in found.items():
        figures = [json.loads(line) for line in lines if line.startswith("{")]
        assert bool(figures) == (name not in WITHOUT_FIGURES), name
    # Each GPU test is in one group.
    counts = []
    for name in ("tests_fast", "tests_network", "tests_compiled"):
        [verdict] = found[name][1]
        counts.append([int(n) for n in re.findall(r"(\d+) (?:skipped|deselected)", verdict)])
    assert {sum(count) for count in counts} == {sum(skipped for skipped, _ in counts)}
    assert all(skipped for skipped, _ in counts)
    shares = "\n".join(found["losses"][1])
    assert re.search(r"ResNet-50, batch 16, 32 x 32: [\d.]+ ms a step\n.*an +[\d.]+%", shares, re.S)
    assert json.loads((tmp_path / "out/losses.json").read_text())["resnet50_milliseconds"] > 0


def test_without_a_gpu_one_sentence_says_so(tmp_path):
    status, summary = check(tmp_path, sys.executable, DEVICE="cuda")
    assert status == 1
    assert summary.endswith("torch sees no GPU, or cannot be imported: nothing was tried\n")
    assert not parts(summary)


# --------------------------------------------------------------------------------------------------
# What becomes of the others when one fails, hangs or has no time left
# --------------------------------------------------------------------------------------------------


@pytest.fixture
def stand_in(tmp_path) -> Path:
    """A Python that notes what it is given; with FAULTS some parts fail, and others hang."""
    return script(
        tmp_path / "python",
        f"""#!/bin/sh
        printf '%s\\n' "$*" | tr -d '\\n' >>"{tmp_path}/calls"
        echo >>"{tmp_path}/calls"
        case "${{FAULTS-}} $*" in
        yes*"probe.py losses"*) echo '{{"answer": "first"}}'; echo "what is wrong" >&2; exit 3 ;;
        yes*papers* | yes*"probe.py save"*) sleep 60 ;;
        *) echo '{{"answer": 1}}' ;;
        esac
        """,
    )


def calls(tmp_path: Path) -> list[str]:
    return (tmp_path / "calls").read_text().splitlines()


def impatient(tmp_path: Path) -> str:
    """A search path on which `timeout` gives each command half a second."""
    (tmp_path / "impatient").mkdir()
    script(
        tmp_path / "impatient/timeout",
        f'#!/bin/sh\nshift 3\nPATH="{os.environ["PATH"]}" exec timeout -k 1 0.5 "$@"\n',
    )
    return f"{tmp_path / 'impatient'}:{os.environ['PATH']}"


def test_part_that_fails_or_hangs_stops_no_other(stand_in, tmp_path):
    status, summary = check(tmp_path / "out", stand_in, PATH=impatient(tmp_path), FAULTS="yes")
    assert status == 1
    found = parts(summary)
    failed = ["probe_losses", "papers_16_fp32_plain", "papers_8_fp32_plain", "papers_64_fp32_plain"]
    failed.append("probe_save")
    assert [name for name, (code, _) in found.items() if code] == failed
    assert f"\nfailed: {' '.join(failed)}\n" in summary
    assert found["probe_losses"] == (
        3,
        ['{"answer": "first"}', '! {"answer": "first"}', "! what is wrong"],
    )
    assert re.search(r"^probe_save: exit 124 after \d+ s, its limit$", summary, re.MULTILINE)
    assert len(found) == len(calls(tmp_path))
    assert f"{len(found)} parts began and {len(found) - 5} of them succeeded" in summary
    assert "not begun" not in summary


def test_table_is_measured_once_and_whole(stand_in, tmp_path):
    """A second call asks for what the first one did not."""
    out = tmp_path / "out"
    assert check(out, stand_in)[0] == 0
    whole = calls(tmp_path)
    cases = [json.loads(call.split("--case ")[1]) for call in whole if "--case" in call]
    rows = [(c["batch"], c["precision"], c["way"]) for c in cases if c["measure"] == "loop"]
    table = set(product((8, 16, 64), ("fp32", "tf32", "bf16"), ("plain", "graphs")))
    compiled = {(16, "bf16", "compiled"), (16, "bf16", "compiled_graphs")}
    assert len(rows) == len(set(rows))
    assert set(rows) == table | compiled
    assert [c["batch"] for c in cases if c["measure"] == "papers"] == [16, 8, 64]
    for first, begins in ((2, cases[0]["way"]), (3, "probe.py shapes"), (4, "loop")):
        (tmp_path / "calls").unlink()
        check(out, stand_in, FROM=first)
        assert begins in calls(tmp_path)[0]
        assert calls(tmp_path) == whole[-len(calls(tmp_path)) :]


def test_nothing_begins_after_the_limit(stand_in, tmp_path):
    status, summary = check(tmp_path / "out", stand_in, LIMIT=10)
    assert status == 0
    assert "0 parts began" in summary
    assert re.search("not begun: probe_context .* losses ", summary)
    assert not (tmp_path / "calls").exists()


def test_asked_to_end_it_keeps_what_was_answered(stand_in, tmp_path):
    process = start(tmp_path / "out", stand_in, FROM=3, FAULTS="yes")
    written = tmp_path / "calls"
    while not written.exists() or "probe.py save" not in written.read_text():
        time.sleep(0.05)
    process.terminate()
    process.communicate()
    assert process.returncode == 1
    summary = (tmp_path / "out/summary.txt").read_text()
    found = parts(summary)
    assert found["probe_shapes"] == (0, ['{"answer": 1}'])
    assert list(found)[-1] == "probe_save"
    assert found["probe_save"][0] != 0
    assert "not begun: probe_host" in summary
