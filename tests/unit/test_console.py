"""Snakemake's own tests of a logger, and what only some executors tell it."""

import logging
import signal
import threading

import pytest
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.tests import MockOutputSettings, TestLogHandlerBase
from spml.desk.console import LogHandler, LogHandlerSettings, last_lines


@pytest.fixture(autouse=True)
def _signals():
    previous = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, previous)


def handler_of_a_run() -> LogHandler:
    asked = MockOutputSettings()
    asked.printshellcmds = False
    return LogHandler(asked, LogHandlerSettings())


class TestConsole(TestLogHandlerBase):
    __test__ = True

    def _create_handler(self):
        return handler_of_a_run()

    def get_log_handler_cls(self):
        return LogHandler

    def get_log_handler_settings(self):
        return LogHandlerSettings()


def tell(handler: LogHandler, event: LogEvent, **data) -> None:
    record = logging.LogRecord("snakemake", logging.INFO, "", 0, "", (), None)
    vars(record).update(event=event, **data)
    handler.handle(record)


def start(handler: LogHandler, job: int, seed: str) -> None:
    tell(handler, LogEvent.JOB_INFO, jobid=job, rule_name="evaluate", wildcards={"seed": seed})


def test_of_a_group_that_failed_only_jobs_that_ran_are_told(tmp_path, capsys):
    """Snakemake names all of its jobs as failed; those that never ran have left no log."""
    (tmp_path / "node.log").write_text("slurm: out of memory\n")
    (tmp_path / "0.log").write_text("error: no\n")
    handler = handler_of_a_run()
    tell(handler, LogEvent.RUN_INFO, stats={"evaluate": 2, "total": 2})
    start(handler, 1, "0")
    start(handler, 2, "1")
    tell(handler, LogEvent.GROUP_ERROR, aux_logs=[str(tmp_path / "node.log")])
    for job in (1, 2):
        logs = [str(tmp_path / f"{job - 1}.log")]
        tell(handler, LogEvent.JOB_ERROR, jobid=job, indent=True, log=logs)
    handler.close()
    printed = capsys.readouterr().err
    assert printed.splitlines() == [
        "FAILED: a group of jobs",
        f"  {tmp_path}/node.log ends with:",
        "    slurm: out of memory",
        "FAILED: evaluate seed0",
        f"  {tmp_path}/0.log ends with:",
        "    error: no",
        "0 of 2 jobs are done; failed: evaluate seed0, evaluate seed1. "
        "What is done stays, and the same command goes on.",
    ]


@pytest.mark.parametrize(
    ("end", "told"),
    [
        ("died with <Signals.SIGKILL: 9>.", ["A command was killed: SIGKILL"]),
        ("returned non-zero exit status 137.", ["A command was killed: SIGKILL"]),
        ("returned non-zero exit status 1.", []),
        ("returned non-zero exit status 13.", []),
    ],
)
def test_command_that_was_killed_is_told_since_its_log_cannot(capsys, end, told):
    handler = handler_of_a_run()
    text = f"RuleException:\nCalledProcessError in file x, line 1:\nCommand 'y' {end}"
    record = logging.LogRecord("snakemake", logging.ERROR, "", 0, text, (), None)
    vars(record).update(event=LogEvent.ERROR, exception="RuleException")
    handler.handle(record)
    assert capsys.readouterr().err.splitlines() == told


def test_job_that_died_of_ctrl_c_is_no_failure_though_heard_of_first(tmp_path, capsys):
    """The terminal sends the signal to Snakemake and to its jobs, and Snakemake may wake later."""
    handler, heard = handler_of_a_run(), threading.Event()
    tell(handler, LogEvent.RUN_INFO, stats={"evaluate": 1, "total": 1})
    start(handler, 1, "0")

    def failed() -> None:
        heard.set()
        record = logging.LogRecord("snakemake", logging.ERROR, "", 0, "", (), None)
        logs = [str(tmp_path / "0.log")]
        vars(record).update(event=LogEvent.JOB_ERROR, jobid=1, indent=False, log=logs)
        handler.handle(record)

    telling = threading.Thread(target=failed)
    telling.start()
    heard.wait()
    with pytest.raises(SystemExit):
        signal.raise_signal(signal.SIGINT)
    telling.join()
    handler.close()
    told = capsys.readouterr().err
    assert "FAILED" not in told
    assert told.startswith("Stopping the jobs")


def test_end_of_a_log_is_read_as_a_terminal_shows_it(tmp_path):
    log = tmp_path / "x.log"
    log.write_bytes(b"first\n" * 50_000 + b" 1 %\r 99 %\r\n\n\xff\nlast")
    assert last_lines(str(log))[-4:] == ["first", " 99 %", "�", "last"]
    log.write_bytes(b"")
    assert last_lines(str(log)) == []
    assert last_lines(str(tmp_path / "none.log")) == []
