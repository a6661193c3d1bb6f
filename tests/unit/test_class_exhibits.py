"""Exhibits of single classes, their numbers against scikit-learn's."""

import finished_runs
import numpy as np
import pandas as pd
import pytest
from finished_runs import configuration, write_results
from matplotlib.collections import LineCollection
from matplotlib.text import Text
from printed import page_inches, text_sizes
from sklearn.metrics import average_precision_score
from spml.data.labels import load_labels
from spml.data.observation import load_observation
from spml.exhibits import extra_class_ap, extra_class_gain
from spml.exhibits.classes import GROUPS, group_classes
from spml.exhibits.markdown import BEST, parse_tables
from spml.exhibits.style import SMALL, TEXT_WIDTH, style_context
from spml.planning.stage_settings import exhibit_settings
from spml.plumbing.addresses import exhibit_path, labels_path, observed_path, run_path
from spml.plumbing.errors import UserError
from test_hostile_text import make

AP, GAIN = "extra_class_ap", "extra_class_gain"
MANY = extra_class_ap.MOST + 7


def configure(**selection):
    config = configuration(**selection)
    config["exhibits"][GAIN]["methods"] = "selected"
    write_results(config)
    return config


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return configure(seeds=(0, 1))


@pytest.fixture
def many(tmp_path, monkeypatch):
    """A dataset of a few classes more than are shown one by one, and another of few."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(finished_runs, "CLASSES", tuple(f"class {n}" for n in range(MANY)))
    return configure(seeds=(0,))


def data_of(key):
    return pd.read_csv(exhibit_path(key, ".csv"))


def scores_and_truth(method, seed):
    with np.load(run_path("alpha", "demo", method, seed) / "predictions.npz") as arrays:
        return arrays["test"], load_labels(labels_path("alpha")).test.truth


def precisions(method, seed):
    scores, truth = scores_and_truth(method, seed)
    return np.array(
        [100 * average_precision_score(*pair) for pair in zip(truth.T, scores.T, strict=True)]
    )


def positives():
    rows = load_observation(observed_path("alpha", "demo", "single_positive")).train
    return load_labels(labels_path("alpha")).train.truth[rows].sum(axis=0)


def test_table_holds_the_mean_of_each_class_from_the_most_frequent_on(config, monkeypatch):
    make(AP, config, monkeypatch)
    data = data_of(AP)
    for method, here in data.groupby("method"):
        expected = np.mean([precisions(method, seed) for seed in (0, 1)], axis=0)
        assert here["ap"].to_numpy() == pytest.approx(expected)
    [table] = parse_tables(exhibit_path(AP, ".md").read_text())
    counts = dict(zip(finished_runs.CLASSES, positives(), strict=True))
    assert [row[:2] for row in table.rows] == [
        [name, str(counts[name])] for name in sorted(counts, key=lambda name: -counts[name])
    ]
    means = data.pivot(index="class_name", columns="method", values="ap")
    for place, row in enumerate(table.rows):
        assert row[2:] == [f"{means.loc[row[0], method]:.1f}" for method in ("bce", "an", "gr")]
        # Full labels see more than the protocol's, so that they are not ranked.
        best = means.loc[row[0], ["an", "gr"]].to_numpy().argmax()
        assert table.marks[place, 3 + best] == BEST


def test_gains_are_paired_by_seed_and_intervals_are_those_of_the_jackknife(config, monkeypatch):
    make(GAIN, config, monkeypatch)
    data = data_of(GAIN)
    assert set(data["method"]) == {"bce", "gr"}
    for method, here in data.groupby("method"):
        gains = [precisions(method, seed) - precisions("an", seed) for seed in (0, 1)]
        assert here["difference"].to_numpy() == pytest.approx(np.mean(gains, axis=0))
        assert (here["group_difference"] == here["difference"]).all()
        assert here["positives"].tolist() == positives().tolist()
        assert (here["group_low"] < here["difference"]).all()
        assert (here["group_high"] > here["difference"]).all()


def test_interval_of_one_seed_is_that_of_the_jackknife_over_images(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make(GAIN, configure(seeds=(3,)), monkeypatch)
    here = data_of(GAIN).query("method == 'gr'").reset_index(drop=True)
    (ours, truth), (theirs, _) = scores_and_truth("gr", 3), scores_and_truth("an", 3)
    count = len(truth)
    for column, row in here.iterrows():
        kept = [np.arange(count) != left_out for left_out in range(count)]
        without = np.array([
            average_precision_score(truth[k, column], ours[k, column])
            - average_precision_score(truth[k, column], theirs[k, column])
            for k in kept
        ])  # fmt: skip
        error = 100 * np.sqrt((count - 1) / count * ((without - without.mean()) ** 2).sum())
        width = row["group_high"] - row["group_low"]
        assert width == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_many_classes_are_ten_groups_of_equal_size(many, monkeypatch):
    make(GAIN, many, monkeypatch)
    data = data_of(GAIN)
    here = data[data["method"] == "gr"]
    groups = here.groupby("group")
    assert groups.ngroups == GROUPS
    assert groups.size().max() - groups.size().min() <= 1
    assert (groups["positives"].min()[:-1].to_numpy() >= groups["positives"].max()[1:]).all()
    means = groups["difference"].mean()
    assert groups["group_difference"].first().to_numpy() == pytest.approx(means.to_numpy())
    caption = exhibit_path(GAIN, ".caption.txt").read_text()
    assert f"Many classes ({MANY} of Alpha) stand in 10 groups of equal size" in caption
    assert "Named" not in caption
    make(AP, many, monkeypatch)
    [table] = parse_tables(exhibit_path(AP, ".md").read_text())
    assert [row[0] for row in table.rows][:2] == ["1 to 11", "12 to 22"]
    assert len(table.rows) == GROUPS
    own = data_of(AP).query("method == 'gr' and group == 2")["ap"].mean()
    assert table.rows[1][-1] == f"{own:.1f}"


def test_groups_of_equally_frequent_classes_keep_the_order_of_the_dataset():
    assert group_classes(np.array([5, 9, 5, 7]), 4).tolist() == [3, 1, 4, 2]
    assert group_classes(np.zeros(5000), 100).tolist() == np.repeat(np.arange(1, 11), 500).tolist()


@pytest.mark.parametrize("count", [20, 81, 312, 5000])
def test_figure_stays_readable_however_many_classes_there_are(config, count):
    """Marks that stand apart at the size at which it is printed, those of ten groups of many."""
    random, settings = np.random.default_rng(0), exhibit_settings(config, GAIN)
    names = [f"method {number}" for number in range(7)]
    settings["methods"] += [{"name": name, "title": name.title()} for name in names]
    frequency = np.sort(random.integers(1, 5000, count))[::-1]
    groups = group_classes(frequency, extra_class_gain.MOST)
    several = count > extra_class_gain.MOST
    frames = [
        pd.DataFrame({
            "dataset": "alpha", "protocol": "demo", "method": method, "family": method,
            "class_name": [f"a class of number {number}" for number in range(count)],
            "positives": frequency, "seeds": 2, "ap": 50.0, "difference": random.normal(3, 2, count),
            "group": groups, "group_difference": random.normal(3, 1, groups.max())[groups - 1],
        }).assign(
            group_low=lambda frame: frame["group_difference"] - 1,
            group_high=lambda frame: frame["group_difference"] + 1,
        )
        for method in ("bce", "gr", *names)
    ]  # fmt: skip
    frame = pd.concat(frames, ignore_index=True)
    with style_context():
        figure = extra_class_gain.draw(frame, settings)
        figure.draw_without_rendering()
        panels = [axes for axes in figure.axes if axes.get_visible()]
        assert len(panels) == 10
        for axes in panels[:9]:
            [marks] = [line for line in axes.lines if line.get_marker() not in ("None", "")]
            places = axes.transData.transform(marks.get_xydata())[:, 0]
            assert len(places) == (GROUPS if several else count)
            apart = np.diff(np.sort(places)).min() / figure.dpi * 72
            assert apart >= marks.get_markersize() * 0.8
            bars = [item for item in axes.collections if isinstance(item, LineCollection)]
            assert len(bars) == (2 if several else 1)  # and the middle half of each group
        assert min(text.get_fontsize() for text in figure.findobj(Text)) >= SMALL
    text = extra_class_gain.caption(frame, settings)
    assert (f"Many classes ({count:,} of Alpha)" in text) == several
    assert ("Named: the class that gains most." in text) == (not several)


def test_it_is_printed_over_both_columns(config, monkeypatch):
    make(GAIN, config, monkeypatch)
    path = exhibit_path(GAIN, ".pdf")
    assert page_inches(path)[0] == pytest.approx(TEXT_WIDTH)
    assert min(text_sizes(path)) >= SMALL


def test_dataset_that_is_annotated_in_part_has_gains_without_intervals(config, monkeypatch):
    settings, module = make(GAIN, config, monkeypatch)
    frame = data_of(GAIN).assign(group_low=np.nan, group_high=np.nan)
    assert "There are none for Alpha, which is annotated in part." in module.caption(
        frame, settings
    )
    with style_context():
        module.draw(frame, settings).draw_without_rendering()


@pytest.mark.parametrize(
    ("method", "sentence"),
    [("an", "no method but its reference"), ("gr", "compares with an, which is not among")],
)
def test_nothing_to_compare_is_a_sentence(tmp_path, monkeypatch, method, sentence):
    monkeypatch.chdir(tmp_path)
    config = configure(methods=(method,))
    with pytest.raises(UserError, match=sentence):
        make(GAIN, config, monkeypatch)
