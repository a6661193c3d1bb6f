"""What a person sees while Snakemake runs: one line that moves, and the end of a failed job's log.

Without a terminal each job that is done is a line. Everything else that Snakemake says of a job
stands in its own log file. The profiles choose this logger, as ``--logger spml`` does.
"""

import logging
import os
import re
import shlex
import signal
import sys
import threading
import time
import warnings
from dataclasses import dataclass, field
from logging import ERROR, WARNING, LogRecord
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

from snakemake.logging import ColorizingTextHandler
from snakemake.settings.enums import Quietness
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.settings import LogHandlerSettingsBase

from spml.desk.targets import unknown_target
from spml.desk.work import Work

LOG_LINES = 12
# How long before Snakemake hears of Ctrl-C it may have heard of a job that died of it.
SIGNAL_SECONDS = 1
# Of Snakemake's words, what tells nothing, or is told better here.
NOISE = (
    "Assuming unrestricted shared filesystem",
    "Config file ",
    "Using shell",
    "Group jobs: inactive",
    "Conda environments: ignored",
    "Singularity containers: ignored",
    "Exiting because a job execution failed",
    "RuleException:\nCalledProcessError",
    "WorkflowError:\nAt least one job did not complete",
)
# What it says while jobs run, and is no warning, stays in its log file, but for this.
TOLD_MEANWHILE = ("Complete log", "Will exit after finishing")
# How a shell ends whose command was killed; the job's log cannot know.
KILLED = re.compile(r"died with <Signals\.\w+: (\d+)>|exit status 1(?=[3-5]\d\.)(\d+)")
UNKNOWN_TARGET = re.compile(r"MissingRuleException:\nNo rule to produce (\S+) \(")


def last_lines(path: str) -> list[str]:
    """The last lines of a log that are not empty, progress bars as a terminal would leave them."""
    try:
        with Path(path).open("rb") as file:
            file.seek(-min(file.seek(0, os.SEEK_END), 100_000), os.SEEK_END)
            lines = file.read().decode(errors="replace").split("\n")
    except OSError:
        return []
    shown = (line.rstrip().rpartition("\r")[2] for line in lines)
    return [line for line in shown if line][-LOG_LINES:]


class Screen:
    """Lines that stay, and on a terminal below them one that moves."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._bar: Any = None
        try:
            width = os.get_terminal_size(stream.fileno()).columns
        except (OSError, ValueError):
            width = 0
        self.moves = width > 0 and os.environ.get("TERM") != "dumb"

    def say(self, text: str) -> None:
        if self._bar:
            self._bar.clear()
        over = "\r" if self.moves else ""  # what was typed, such as ^C
        print(f"{over}{text}", file=self._stream, flush=True)

    def draw(self, done: int, total: int, text: str) -> None:
        if not self._bar:
            from tqdm import tqdm  # most calls of Snakemake draw nothing

            shape = "{n_fmt} of {total_fmt} jobs |{bar:12}| {desc}"
            self._bar = tqdm(
                total=total, bar_format=shape, file=self._stream, leave=False, dynamic_ncols=True
            )
        self._bar.n, self._bar.desc = done, text
        self._bar.refresh()

    def close(self) -> None:
        if self._bar:
            self._bar.close()


@dataclass
class LogHandlerSettings(LogHandlerSettingsBase):
    """Options of the command line, below ``--logger-spml-``."""

    command: str = field(
        default="", metadata={"help": "What was typed, if not snakemake: it is told after Ctrl-C."}
    )


class LogHandler(LogHandlerBase):
    """Takes Snakemake's records, in a thread of its own, and tells what a person wants of them."""

    writes_to_stream = True
    writes_to_file = False
    has_filter = False
    has_formatter = False
    needs_rulegraph = False

    def __post_init__(self) -> None:
        asked = self.common_settings
        stream = sys.stdout if asked.stdout else sys.stderr
        self._screen = Screen(stream)
        self._work: Work | None = None
        self._told: set[str] = set()
        self._ended = threading.Event()
        self._interrupted = threading.Event()
        # Who asks for a dry run, for commands or for silence gets Snakemake's own words.
        louder = asked.dryrun or asked.verbose or asked.debug_dag or asked.printshellcmds
        quieter = {Quietness.ALL, Quietness.RULES, Quietness.PROGRESS} & set(asked.quiet or ())
        self._snakemake: ColorizingTextHandler | None = None
        if louder or quieter:
            self._snakemake = ColorizingTextHandler(asked.nocolor, stream)
        elif signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._interrupt)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        # Snakemake takes it for Ctrl-C as well, and without jobs it leaves no stack trace.
        self._interrupted.set()
        # What is cut short complains as it is thrown away, such as a loop of events half set up; so
        # does Snakemake of a job that has just begun, which it does not wait for.
        sys.unraisablehook = lambda unraisable: None
        warnings.simplefilter("ignore")
        logging.lastResort = logging.NullHandler()
        raise SystemExit(128 + number)

    def _stopping(self, record: LogRecord) -> bool:
        """Whether Ctrl-C was pressed. It reaches the jobs as well, so a failure waits a moment."""
        failure = self._work and record.levelno >= ERROR
        left = record.created + SIGNAL_SECONDS - time.time() if failure else 0
        return self._interrupted.wait(left)

    def emit(self, record: LogRecord) -> None:
        try:
            if found := UNKNOWN_TARGET.match(str(record.msg)):
                record.msg = f"Error: {unknown_target(found[1])}"
            if self._snakemake:
                self._snakemake.setFormatter(self.formatter)
                self._snakemake.emit(record)
            elif self._stopping(record):
                self._say_once("Stopping the jobs that run, which takes some seconds.")
            else:
                self._take(getattr(record, "event", None), record)
        except Exception:  # a logger does not end what it tells of
            self.handleError(record)

    def _take(self, event: LogEvent | None, record: LogRecord) -> None:
        data, now = vars(record), time.monotonic()
        if event in (None, LogEvent.ERROR):
            self._pass_on(record)
        elif event is LogEvent.RUN_INFO:
            self._work = Work(data["stats"], now)
            if self._screen.moves:
                threading.Thread(target=self._tick, daemon=True).start()
        elif event is LogEvent.GROUP_ERROR:
            self._fail("a group of jobs", data["aux_logs"])
        elif self._work and event is LogEvent.JOB_INFO:
            self._work.start(data["jobid"], data["rule_name"], data["wildcards"], now)
        elif self._work and event is LogEvent.JOB_FINISHED:
            name = self._work.finish(data["job_id"], now)
            if not self._screen.moves:
                self._screen.say(f"{self._work.progress(now)}: {name} done")
        elif self._work and event is LogEvent.JOB_ERROR:
            name = self._work.fail(data["jobid"], now)
            # Of a group all jobs are told to have failed, also those that never ran.
            if not data["indent"] or any(map(last_lines, data["log"])):
                self._fail(name, data["log"])
        self._draw(now)

    def _pass_on(self, record: LogRecord) -> None:
        """Print what Snakemake says of itself and not of a job."""
        text = self.format(record)
        if text.startswith(NOISE):
            if killed := KILLED.search(text):
                number = int(killed[1] or int(killed[2]) - 28)  # shells add 128
                self._screen.say(f"A command was killed: {signal.Signals(number).name}")
            return
        if record.levelno >= WARNING or not self._work:
            self._screen.say(text)
        elif text.startswith(TOLD_MEANWHILE):
            self._say_once(text)

    def _say_once(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._screen.say(text)

    def _fail(self, name: str, logs: list[str]) -> None:
        self._screen.say(f"FAILED: {name}")
        for log in logs:
            lines = last_lines(log)
            self._screen.say(f"  {log} {'ends with:' if lines else 'is empty'}")
            for line in lines:
                self._screen.say(f"    {line}")

    def _draw(self, now: float) -> None:
        if self._work and self._screen.moves and not self._interrupted.is_set():
            self._screen.draw(self._work.done, self._work.total, self._work.at_work(now))

    def _tick(self) -> None:
        """Draw the line each second, also while no job ends."""
        while not self._ended.wait(1):
            self.acquire()
            if not self._ended.is_set():
                self._draw(time.monotonic())
            self.release()

    def close(self) -> None:
        """Say how far it came and what to do. Called more than once."""
        self.acquire()
        if not self._ended.is_set():
            self._ended.set()
            self._screen.close()
            if self._interrupted.is_set():
                typed = getattr(self.settings, "command", "")
                self._screen.say(
                    "Stopped. Nothing is lost: what is done stays, and a training goes on from its "
                    f"last checkpoint. To go on: {typed or f'snakemake {shlex.join(sys.argv[1:])}'}"
                )
            elif self._work:
                self._screen.say(self._work.outcome())
        self.release()
        super().close()
