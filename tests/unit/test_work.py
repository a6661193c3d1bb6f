"""How long jobs still take, and what they are called."""

import pytest
from spml.desk.work import Work

RUN = {"dataset": "digits", "protocol": "demo", "method": "gr", "seed": "0"}


def begun(**planned: int) -> Work:
    return Work({**planned, "total": sum(planned.values())}, 100.0)


def run(work: Work, job: int, rule: str, start: float, end: float) -> str:
    work.start(job, rule, {}, start)
    return work.finish(job, end)


def test_time_is_the_least_while_of_half_of_the_jobs_no_like_one_is_done():
    work = begun(train=4, evaluate=4)
    assert work.time_left(100) is None
    run(work, 1, "train", 100, 110)
    assert work.time_left(110) == (pytest.approx(3 * 10), True)  # of 7 that are left
    assert work.progress(110) == "1 of 8 jobs, more than 30 s left"
    run(work, 2, "evaluate", 110, 112)
    assert work.time_left(112) == (pytest.approx(3 * 10 + 3 * 2), False)
    assert work.progress(112) == "2 of 8 jobs, about 36 s left"


def test_time_is_the_mean_of_the_rule_less_what_running_jobs_have_taken():
    work = begun(train=10)
    run(work, 1, "train", 100, 104)
    run(work, 2, "train", 104, 112)
    work.start(3, "train", {}, 112)
    assert work.time_left(115).seconds == pytest.approx(8 * 6 - 3)
    assert work.time_left(200).seconds == pytest.approx(
        7 * 6
    )  # it takes longer, and nobody knows how long


def test_time_is_divided_by_how_many_jobs_run_at_once():
    work = begun(train=6)
    work.start(1, "train", {}, 100)
    work.start(2, "train", {}, 100)
    work.finish(1, 110)
    work.finish(2, 110)
    assert work.time_left(110).seconds == pytest.approx(4 * 10 / 2)


def test_rules_of_one_job_count_as_one_rule_and_unknown_ones_as_the_mean():
    work = begun(gr_main_table=1, gr_ablation=1, gr_gradients=1, report=1, compare=2)
    run(work, 1, "gr_main_table", 100, 104)
    assert work.time_left(104).seconds == pytest.approx(3 * 4 + 2 * 4)


def test_nothing_is_left_when_all_is_done():
    work = begun(train=1)
    run(work, 1, "train", 100, 110)
    assert work.time_left(110).seconds == 0
    assert work.outcome() == "1 of 1 jobs are done."


def test_failed_job_is_not_waited_for_unless_it_is_tried_again():
    work = begun(train=3)
    run(work, 1, "train", 100, 110)
    work.start(2, "train", RUN, 110)
    assert work.fail(2, 120) == "train digits/demo/gr/seed0"
    assert work.time_left(120).seconds == pytest.approx(10)
    work.start(2, "train", RUN, 120)
    assert work.time_left(120).seconds == pytest.approx(20)
    work.finish(2, 130)
    assert work.outcome() == (
        "2 of 3 jobs are done; not started: 1. What is done stays, and the same command goes on."
    )


def test_many_running_jobs_are_counted_and_many_failed_ones_cut():
    work = begun(train=9)
    work.start(0, "train", RUN, 100)
    assert work.at_work(100) == "time left unknown: train digits/demo/gr/seed0"
    for job in range(1, 7):
        work.start(job, "train", {**RUN, "seed": str(job)}, 100)
    assert work.at_work(100) == "time left unknown: 7 train"
    for job in range(7):
        work.fail(job, 100)
    assert "seed4 and 2 more; not started: 2." in work.outcome()
