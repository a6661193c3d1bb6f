"""Tables of what methods make of other labels than one fair positive an image."""

import numpy as np
import pytest
from finished_runs import write_results
from spml.exhibits.markdown import BEST
from spml.plumbing.addresses import run_path
from spml.plumbing.errors import UserError
from spml.plumbing.files import read_json
from test_ll_exhibits import caption_of, configure, make, tables_of


def mean_map(dataset, method, seeds=(0, 1)):
    runs = [run_path(dataset, "ll", method, seed) / "metrics.json" for seed in seeds]
    return np.mean([read_json(path)["test"]["map"] for path in runs])


@pytest.fixture
def known(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    methods = {
        f"{name}_known_{percent}": {"title": f"{title}, {percent} % known", "observation": place}
        for name, title in (("iu", "IU"), ("bce_known", "Known"), ("an", "AN"))
        for percent, place in ((10, "few"), (70, "many"))
    }
    config = configure("extra_known_proportions", methods, datasets=("alpha", "coco"))
    config["observations"] |= {"few": {"known": 0.1, "seed": 0}, "many": {"known": 0.7, "seed": 0}}
    write_results(config)
    return config


def test_known_shares_stand_beside_published_ones_of_another_network(known, monkeypatch):
    data = make("extra_known_proportions", known, monkeypatch)
    ours = data[data["seeds"] > 0].set_index(["dataset", "method", "percent"])
    for method, name in (("iu", "iu_known_70"), ("an", "an_known_70")):
        cell = ours.loc[("alpha", method, 70)]
        assert cell["map_mean"] == pytest.approx(mean_map("alpha", name))
        assert cell["low"] < cell["map_mean"] < cell["high"]
    difference = mean_map("alpha", "iu_known_10") - mean_map("alpha", "an_known_10")
    assert ours.loc[("alpha", "iu", 10), "difference"] == pytest.approx(difference)
    assert np.isnan(ours.loc[("alpha", "an", 10), "difference"])
    # The saliency paper's table, at 10 and 30 %, and its averages.
    published = data[data["dataset"] == "coco"].set_index(["method", "percent"])["published"]
    assert published[("iu", 10)] == "61.7"
    assert published[("bce_known", 30)] == "76.0"
    assert not data[data["dataset"] == "alpha"]["published"].notna().any()
    alpha, coco = tables_of("extra_known_proportions")
    assert list(alpha.header) == ["Method", "10 % known", "70 % known", "Mean"]
    assert [row[0] for row in alpha.rows] == ["IU", "Known", "AN"]
    mean = (mean_map("alpha", "iu_known_10") + mean_map("alpha", "iu_known_70")) / 2
    assert alpha.rows[0][-1] == f"{mean:.1f}"
    best = np.argmax([mean_map("alpha", f"{n}_known_10") for n in ("iu", "bce_known", "an")])
    assert alpha.marks[best, 1] == BEST
    rows = {row[0]: row[1:] for row in coco.rows}
    assert list(coco.header)[1:] == [f"{p} % known" for p in (10, 30, 50, 70, 90)] + ["Mean"]
    assert rows["IU, published"][:2] == ["61.7 (secondary)", "73.1 (secondary)"]
    assert rows["IU"][1] == "–"
    assert rows["IU"][-1] == "–"
    assert rows["SST, published"] == ["", "", "", "", "", "76.7 (secondary)"]
    text = caption_of("extra_known_proportions")
    assert "ResNet-101" in text
    assert "Saliency Regularization for Self-Training" in text


def test_known_share_needs_methods_that_have_one(known, monkeypatch):
    known["methods"]["an_known_10"]["observation"] = "full"
    with pytest.raises(UserError, match="shows an_known_10, which trains on full; it needs"):
        make("extra_known_proportions", known, monkeypatch)


@pytest.fixture
def biased(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    methods = {
        f"{name}{bias}": {"title": title + (", bias by x" if bias else "")}
        for name, title in (("an", "AN"), ("gr", "GR Loss"))
        for bias in ("", "_bias_size", "_bias_location")
    }
    config = configure("extra_bias", methods, datasets=("alpha",))
    write_results(config)
    return config


def test_loss_by_bias_is_taken_within_a_method(biased, monkeypatch):
    data = make("extra_bias", biased, monkeypatch).set_index(["method", "bias"])
    losses = []
    for method in ("an", "gr"):
        loss = mean_map("alpha", f"{method}_bias_size") - mean_map("alpha", method)
        cell = data.loc[(method, "size")]
        assert cell["difference"] == pytest.approx(loss)
        assert cell["difference_low"] < loss < cell["difference_high"]
        losses.append(loss)
    assert np.isnan(data.loc[("an", "none"), "difference"])
    [table] = tables_of("extra_bias")
    assert [row[0] for row in table.rows] == ["AN", "GR Loss"]
    assert table.rows[1][2].startswith(f"{mean_map('alpha', 'gr_bias_size'):.1f} ± ")
    number = f"{np.mean(losses):+.1f}".replace("-", "−")
    assert f"their mean over methods is {number} (size)" in caption_of("extra_bias")


def test_methods_that_lack_a_bias_are_a_sentence(biased, monkeypatch):
    biased["exhibits"]["extra_bias"]["methods"] = ["an", "gr", "gr_bias_size"]
    with pytest.raises(UserError, match="extra_bias needs each of its methods without bias and"):
        make("extra_bias", biased, monkeypatch)
