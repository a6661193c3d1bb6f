"""The exhibits of the GR paper that show settings and variants, against independent computations."""

import importlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from finished_runs import CLASSES, TRAINING, configuration, write_results
from scipy.sparse import csr_array
from scipy.stats import mannwhitneyu, ttest_rel
from scipy.stats import wasserstein_distance as scipy_distance
from spml import describe
from spml.data.labels import Labels, Split, load_labels, save_labels
from spml.data.observation import Observation, load_observation, save_observation
from spml.exhibits import gr_class_counts
from spml.exhibits.gr_dataset_statistics import statistics
from spml.exhibits.gr_false_negative_rate import ideal_rate
from spml.exhibits.hyperparameters import (
    assignment,
    changed_settings,
    effective_hyperparameters,
    loss_text,
    value_text,
)
from spml.exhibits.markdown import BEST, SECOND, parse_tables
from spml.exhibits.settings import Block
from spml.exhibits.style import style_context
from spml.exhibits.unobserved import wasserstein_distance
from spml.planning.configuration import compact_json, run_settings
from spml.planning.grids import expand
from spml.planning.stage_settings import exhibit_settings
from spml.plumbing.addresses import exhibit_path, labels_path, observed_path, run_path, table_path
from spml.plumbing.errors import UserError

ROOT = Path(__file__).parents[2]
GR = {"beta": [0, 2, -2, -2], "alpha": [0.5, 2, 0.8, 0.5], "q2": 0.01, "q3": 1}
VARIANTS = {
    "gr": {},
    "gr_constant_k": {"beta": [0, 0, -2, -2]},
    "gr_beta_10": {"beta": [0, 10, -2, -2]},
    "gr_q2_0p5": {"q2": 0.5},
    "gr_l3_mae": {"q3": 1},
    "gr_without_v": {"alpha": [0.5, 1.0e9, 0.8, 1.0e9]},
}


def make(key, config, monkeypatch):
    """Run collect and the exhibit as their rules do; return its data and, if any, its tables."""
    settings = json.dumps(json.loads(compact_json(exhibit_settings(config, key))))
    paper, name = key.split("_", 1)
    for module, *arguments in (
        ("spml.collect", "--output", str(table_path(paper, name))),
        (f"spml.exhibits.{key}", "--output-directory", str(exhibit_path(key, "").parent)),
    ):
        if module != "spml.collect" or config["exhibits"][key]["methods"]:
            monkeypatch.setattr("sys.argv", [module, "--settings", settings, *arguments])
            importlib.import_module(module).main()
    markdown = exhibit_path(key, ".md")
    tables = parse_tables(markdown.read_text()) if markdown.exists() else []
    return pd.read_csv(exhibit_path(key, ".csv"), keep_default_na=False), tables


def caption_of(key):
    return exhibit_path(key, ".caption.txt").read_text()


def finish(config, exhibit, **definition):
    """Write the runs of ``config`` here and change the definition of an exhibit."""
    config["exhibits"][exhibit] = {**config["exhibits"][exhibit], **definition}
    write_results(config)
    return config


def variants(**options):
    """A configuration whose methods are GR Loss and changes of it."""
    config = configuration(methods=tuple(VARIANTS), **options)
    for name, change in VARIANTS.items():
        config["methods"][name] = {
            "title": name.replace("_", " "),
            "loss": "gr",
            "hyperparameters": {**GR, **change},
        }
    return config


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


# --- statistics of the datasets -------------------------------------------------------------------


def test_statistics_are_counted_entry_by_entry(monkeypatch):
    config = finish(configuration(), "gr_dataset_statistics")
    data, [table] = make("gr_dataset_statistics", config, monkeypatch)
    found = data.set_index("statistic")["value"].astype(float)
    truth = load_labels(labels_path("alpha")).train.truth
    observation = load_observation(observed_path("alpha", "demo", "single_positive"))
    positives = missing = 0
    for row in observation.train:
        for column in range(len(CLASSES)):
            positives += bool(truth[row, column])
            missing += bool(truth[row, column]) and observation.observed[row, column] != 1
    images = len(observation.train)
    assert found[["train_images", "val_images", "test_images", "classes"]].tolist() == [
        40,
        20,
        50,
        3,
    ]
    assert found["mean_positives"] == pytest.approx(positives / images)
    assert found["positive_share"] == pytest.approx(100 * positives / (images * 3))
    assert found["observed_positives"] == 1
    assert found["missing_positives"] == pytest.approx(missing / images)
    assert found["missing_share"] == pytest.approx(100 * missing / positives)
    assert table.title == ""
    assert table.rows[0][:5] == ["Alpha", "40", "20", "50", "3"]
    assert "No published value is available." in caption_of("gr_dataset_statistics")


def test_published_statistics_stand_beside_ours(monkeypatch):
    config = finish(configuration(datasets=("voc", "alpha")), "gr_dataset_statistics")
    _, tables = make("gr_dataset_statistics", config, monkeypatch)
    assert [table.title for table in tables] == ["Ours", "Published", "Ours minus published"]
    assert [row[0] for row in tables[0].rows] == ["Voc", "Alpha"]
    [published], [difference] = tables[1].rows, tables[2].rows
    assert published[1] == "4574 (secondary)"
    assert published[5:8] == ["1.5 (secondary)", "", ""]
    assert difference[1] == "−4534"
    text = caption_of("gr_dataset_statistics")
    assert "Empty cells: no published value available." in text
    assert "Table 6" in text


def test_statistics_of_a_dataset_that_is_annotated_in_part():
    random = np.random.default_rng(0)
    annotated = random.random((8, 5)) < 0.6
    truth = annotated & (random.random((8, 5)) < 0.5)
    split = Split(np.array(list("abcdefgh")), csr_array(truth), annotated=csr_array(annotated))
    save_labels(labels_path("part"), Labels(tuple("vwxyz"), split, split))
    known = csr_array(truth.astype(np.int8) * 2 - annotated.astype(np.int8))
    rows = np.arange(6)
    save_observation(observed_path("part", "p", "full"), Observation(rows, np.arange(6, 8), known))
    found = statistics(Block("part", "p", "Part", "full", {}))
    assert found["positive_share"] == pytest.approx(100 * truth[:6].sum() / annotated[:6].sum())
    assert found["missing_positives"] == 0


# --- the ablation ---------------------------------------------------------------------------------


def ablation(monkeypatch, **options):
    config = variants(**options)
    finish(config, "gr_ablation", methods=list(VARIANTS), seeds=config["select"]["seeds"])
    data, tables = make("gr_ablation", config, monkeypatch)
    return data, tables


def test_differences_of_the_ablation_are_paired_by_seed(monkeypatch):
    data, [table] = ablation(monkeypatch)

    def maps(method):
        return [
            json.loads((run_path("alpha", "demo", method, seed) / "metrics.json").read_text())["test"]["map"]
            for seed in (0, 1, 2)
        ]  # fmt: skip

    found = data.set_index("method").loc["gr_q2_0p5"]
    pairs = [ours - theirs for ours, theirs in zip(maps("gr_q2_0p5"), maps("gr"), strict=True)]
    mean = sum(pairs) / 3
    assert float(found["difference"]) == pytest.approx(mean)
    # Wider than over seeds alone, of which the paired t test knows.
    alone = ttest_rel(maps("gr_q2_0p5"), maps("gr")).confidence_interval(0.95)
    assert float(found["difference_low"]) < alone.low
    assert float(found["difference_high"]) > alone.high
    cells = {row[0]: row[1:] for row in table.rows}
    assert cells["gr q2 0p5"][3].replace("−", "-") == f"{mean:+.1f}"
    ends = [float(found[f"difference_{end}"]) for end in ("low", "high")]
    printed = " to ".join(f"{end:+.1f}" for end in ends)
    assert cells["gr q2 0p5"][4].replace("−", "-") == printed
    assert cells["gr q2 0p5"][2] == "3"
    assert cells["gr"][0] == cells["gr"][3] == "–"
    best = max(VARIANTS, key=lambda method: np.mean(maps(method)))
    assert table.marks[list(VARIANTS).index(best), 2] == BEST
    text = caption_of("gr_ablation")
    assert "paired by seed" in text
    assert "published numbers of the ablation were not found by us" in text


def test_what_differs_is_read_from_the_records(monkeypatch):
    data, [table] = ablation(monkeypatch, seeds=(4,))
    cells = {row[0]: row[1] for row in table.rows}
    assert cells["gr constant k"] == "$w_T = 0$ instead of 2"
    assert cells["gr without v"] == (
        r"$\sigma_0 = 10^{9}$ instead of 2, $\sigma_T = 10^{9}$ instead of 0.5"
    )
    assert cells["gr l3 mae"] == "nothing"
    text = caption_of("gr_ablation")
    assert "Where nothing differs, gr has that setting" in text
    assert "±" not in exhibit_path("gr_ablation", ".md").read_text() + text
    assert "over test images alone, since each method has one run" in text
    others = data[data["method"] != "gr"]
    assert (others["difference_low"].astype(float) < others["difference_high"].astype(float)).all()


def test_ablation_of_several_blocks_and_without_its_reference(monkeypatch):
    _, tables = ablation(monkeypatch, datasets=("alpha", "beta"), protocols=("demo", "long"))
    assert [table.title for table in tables] == [
        "Alpha, Demo", "Alpha, Long", "Beta, Demo", "Beta, Long",
    ]  # fmt: skip
    config = variants()
    config["exhibits"]["gr_ablation"] = {
        **config["exhibits"]["gr_ablation"], "methods": ["gr_q2_0p5"],
    }  # fmt: skip
    with pytest.raises(UserError, match="gr_ablation compares with gr, which is not among"):
        make("gr_ablation", config, monkeypatch)


def test_everything_that_makes_runs_different_counts():
    base = {"loss": "gr", "head": "linear", "hyperparameters": GR, "training": TRAINING, "seed": 0}
    other = {
        **base,
        "seed": 5,
        "loss": "gr_learned_k",
        "head": "boostlu",
        "hyperparameters": {**GR, "linear_init": 2},
        "training": {**TRAINING, "epochs": 9},
    }
    assert changed_settings(base, {**base, "seed": 1}) == {}
    assert changed_settings(other, base) == {
        "loss": ("gr_learned_k", "gr"),
        "head": ("boostlu", "linear"),
        "epochs": (9, 3),
        "linear_init": (2, None),
    }


# --- hyperparameters ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [(1e-5, "$10^{-5}$"), (7.5e-5, r"$7.5 \cdot 10^{-5}$"), (0.001, "0.001"), (1e9, "$10^{9}$"),
     (-2, "−2"), (True, "yes"), (None, "none"), (float("inf"), r"$\infty$"), ("em_apl", "em_apl")],
)  # fmt: skip
def test_values_in_print(value, text):
    assert value_text(value) == text


def test_hyperparameters_in_print():
    assert assignment(r"\sigma_T", 0.25) == r"$\sigma_T = 0.25$"
    assert assignment("warmup_epochs", 4) == "warmup epochs 4"
    assert assignment("q_2", None) == "q 2 none"
    assert loss_text({"alpha": 0.2, "beta": 0.02}) == r"$\alpha = 0.2$, $\beta = 0.02$"
    assert loss_text({"beta": GR["beta"], "q2": 0.01}) == r"$\beta = (0, 2, -2, -2)$, $q_2 = 0.01$"


def test_a_loss_states_the_values_that_it_has_by_itself():
    from spml import losses

    for name in ("hill", "splc", "role", "gr"):
        given = {"role": {"expected_positives": 2.3}, "gr": GR}.get(name, {})
        loss = losses.build(name, num_classes=3, num_examples=4, total_epochs=5, **given)
        values = effective_hyperparameters(name, given)
        assert set(given) <= set(values)
        for key, value in values.items():
            if hasattr(loss, key) and not callable(getattr(loss, key)):
                assert getattr(loss, key) == value, (name, key)
    assert effective_hyperparameters("hill", {"margin": 0.5}) == {
        "lam": 1.5,
        "margin": 0.5,
        "gamma": 2.0,
    }


def test_table_of_hyperparameters_has_a_row_a_method(monkeypatch):
    config = configuration(datasets=("voc", "alpha"), methods=("an", "gr", "hill"))
    config["methods"]["gr"]["hyperparameters"] = GR
    config["methods"]["hill"] = {
        "title": "Hill",
        "loss": "hill",
        "training": {
            "optimizer": "sgd",
            "weight_decay": 0.001,
            "early_stop_gap": 2,
            "linear_init": {"epochs": 25, "batch_size": 16, "learning_rate": 0.0001},
        },
    }
    finish(config, "gr_hyperparameters", sources={"voc": "its code", "beta": "nothing"})
    _, tables = make("gr_hyperparameters", config, monkeypatch)
    assert [table.title for table in tables] == ["Voc", "Alpha"]
    assert list(tables[0].header) == [
        "Method", "Optimiser", "Learning rate", "Head", "Batch", "Epochs", "Stop", "First phase",
        "Hyperparameters of the loss", "Selected epoch",
    ]  # fmt: skip
    an, gr, hill = tables[0].rows
    assert an[1:] == ["Adam", "$10^{-5}$", "10", "2", "3", "–", "–", "–", "2, 3, 2"]
    assert gr[8].startswith(
        r"$\beta = (0, 2, -2, -2)$, $\alpha = (0.5, 2, 0.8, 0.5)$, $q_2 = 0.01$"
    )
    assert hill[1] == "SGD (momentum 0.9, weight decay 0.001)"
    assert hill[6:9] == [
        "2", "25 epochs, batch 16, rate 0.0001", r"$\lambda = 1.5$, margin 1, $\gamma = 2$",
    ]  # fmt: skip
    text = caption_of("gr_hyperparameters")
    assert "Voc: its code." in text
    assert "nothing" not in text
    assert "Stop: training ends once" in text
    latex = exhibit_path("gr_hyperparameters", ".tex").read_text()
    assert r"$\alpha = (0.5, 2, 0.8, 0.5)$" in latex


def test_patience_stands_beside_the_gap(monkeypatch):
    config = configuration(methods=("an", "gr"))
    config["methods"]["gr"] |= {"training": {"early_stop_gap": 2, "early_stop_patience": 3}}
    config["methods"]["an"] |= {"training": {"early_stop_patience": 2}}
    finish(config, "gr_hyperparameters")
    _, [table] = make("gr_hyperparameters", config, monkeypatch)
    stops = [row[list(table.header).index("Stop")] for row in table.rows]
    assert stops == ["2 epochs", "2 or 3 epochs"]
    assert "or has had no new best for so many epochs in a row" in caption_of("gr_hyperparameters")


def test_long_list_of_numbers_is_summarised():
    text = "mode selective, prior of 5 values from 0 to 0.5"
    assert loss_text({"mode": "selective", "prior": [0.5, 0.0, 0.25, 0.1, 0.1]}) == text


def test_columns_that_no_method_uses_are_left_out(monkeypatch):
    config = finish(configuration(), "gr_hyperparameters")
    _, [table] = make("gr_hyperparameters", config, monkeypatch)
    assert not {"Stop", "First phase"} & set(table.header)
    assert "First phase" not in caption_of("gr_hyperparameters")


# --- the losses themselves ------------------------------------------------------------------------


def test_mapping_says_why_a_loss_is_outside_and_what_stands_outside_the_mean(monkeypatch):
    monkeypatch.setattr(
        "sys.argv",
        [
            "describe",
            "--settings",
            '{"curves": [], "methods": []}',
            "--output-directory",
            "results/losses",
        ],
    )
    describe.main()
    config = configuration()
    shown = ("an", "epr", "gpr", "role", "two_way", "ranking")
    titles = {"epr": "EPR", "gpr": "GPR", "role": "ROLE", "two_way": "Two-way", "ranking": "PR"}
    for name, title in titles.items():
        config["methods"][name] = {"title": title, "loss": name}
    config["exhibits"]["gr_loss_mapping"]["losses"] = list(shown)
    _, [table] = make("gr_loss_mapping", config, monkeypatch)
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["Two-way"] == rows["ROLE"] == ["–"] * 5
    assert rows["PR"][0] == "$0$"
    text = caption_of("gr_loss_mapping")
    assert "Left out: the regulariser of EPR and GPR, which is of the mean prediction" in text
    assert (
        "Not of this form: ROLE, since its targets are learnt along with the classifier; " in text
    )
    assert "Two-way, since its entries are compared with one another" in text


# --- separation -----------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [(1, 1), (5, 90), (300, 200)])
def test_distance_is_that_of_scipy_ties_included(sizes):
    random = np.random.default_rng(sum(sizes))
    first, second = (random.random(size).round(2).astype(np.float32) for size in sizes)
    assert wasserstein_distance(first, second) == pytest.approx(scipy_distance(first, second))
    assert wasserstein_distance(first, first) == pytest.approx(0, abs=1e-12)


def test_separation_table_ranks_what_can_be_ranked_and_says_what_is_left_out(monkeypatch):
    # The earlier a method stands here, the better its made-up scores.
    config = configuration(methods=("bce", "iun", "iu", "an", "gr"))
    config["methods"]["iun"] = {"title": "IUN", "loss": "iun", "observation": "negatives"}
    config["methods"]["iu"] = {"title": "IU", "loss": "iu", "observation": "pair"}
    config["observations"]["negatives"] = {"positives": 1, "negatives": "all", "seed": 3}
    config["observations"]["pair"] = {"positives": 1, "negatives": 1, "seed": 3}
    finish(config, "gr_separation_table")
    data, [table] = make("gr_separation_table", config, monkeypatch)
    assert [row[0] for row in table.rows] == ["IU", "AN", "GR_1 <x>"]
    truth = load_labels(labels_path("alpha")).train.truth
    observation = load_observation(observed_path("alpha", "demo", "single_positive"))
    distances, areas = [], []
    for seed in (0, 1, 2):
        with np.load(run_path("alpha", "demo", "gr", seed) / "predictions.npz") as arrays:
            scores = {True: [], False: []}
            for place, row in enumerate(observation.val):
                for column in range(len(CLASSES)):
                    if observation.observed[row, column] == 0:
                        scores[bool(truth[row, column])].append(arrays["val"][place, column])
        distances.append(scipy_distance(scores[True], scores[False]))
        pairs = len(scores[True]) * len(scores[False])
        areas.append(mannwhitneyu(scores[True], scores[False]).statistic / pairs)
    found = data.set_index("method").loc["gr"]
    assert float(found["distance_mean"]) == pytest.approx(np.mean(distances))
    assert float(found["distance_std"]) == pytest.approx(np.std(distances, ddof=1))
    assert table.rows[2][3] == f"{np.mean(distances):.3f} ± {np.std(distances, ddof=1):.3f}"
    assert float(found["area"]) == pytest.approx(np.mean(areas))
    assert table.rows[2][1] == f"{np.mean(areas):.3f}"
    assert float(found["area_low"]) < np.mean(areas) < float(found["area_high"])
    reference = float(data.set_index("method").loc["an", "area"])
    assert float(found["difference"]) == pytest.approx(np.mean(areas) - reference)
    assert float(found["difference_low"]) < float(found["difference"])
    means = data.set_index("method")["area"]
    best, second = sorted(("an", "gr"), key=lambda name: -float(means[name]))
    places = {"an": 1, "gr": 2}
    assert float(means["iu"]) > float(means[best])
    assert table.marks == {(places[best], 1): BEST, (places[second], 1): SECOND}
    assert means["bce"] == means["iun"] == ""
    text = caption_of("gr_separation_table")
    assert "Full labels (every entry is observed); IUN (every negative is observed)" in text
    assert "not ranked: IU, which trains on other labels" in text


def test_separation_of_one_seed_has_no_deviation(monkeypatch):
    config = finish(configuration(seeds=(3,)), "gr_separation_table", methods=["an", "gr"])
    _, [table] = make("gr_separation_table", config, monkeypatch)
    assert all("±" not in cell for row in table.rows for cell in row)
    text = caption_of("gr_separation_table")
    assert "Left out" not in text
    assert "±" not in text


# --- curves of the hyperparameters ----------------------------------------------------------------

CURVES = ["gr", "gr_beta_10", "gr_constant_k", "gr_q2_0p5", "gr_l3_mae"]


def test_curves_are_found_by_what_differs(monkeypatch):
    config = variants(datasets=("digits", "voc"))
    finish(config, "gr_hyperparameter_curves", methods=CURVES, seeds=[0, 1, 2])
    data, _ = make("gr_hyperparameter_curves", config, monkeypatch)
    here = data[data["dataset"] == "voc"]
    points = list(here[["hyperparameter", "point", "method"]].itertuples(index=False, name=None))
    assert points == [
        ("w_T", 0, "gr_constant_k"), ("w_T", 2, "gr"), ("w_T", 10, "gr_beta_10"),
        ("q_2", 0.01, "gr"), ("q_2", 0.5, "gr_q2_0p5"),
    ]  # fmt: skip
    maps = [
        json.loads((run_path("voc", "demo", "gr_beta_10", seed) / "metrics.json").read_text())["test"]["map"]
        for seed in (0, 1, 2)
    ]  # fmt: skip
    row = here[here["point"] == 10].iloc[0]
    assert float(row["map_mean"]) == pytest.approx(np.mean(maps))
    assert float(row["map_std"]) == pytest.approx(np.std(maps, ddof=1))
    text = caption_of("gr_hyperparameter_curves")
    assert "no value was chosen by it" in text
    assert "Bars, 95 % intervals, are over seeds (Student's t, 2 degrees of freedom)" in text
    assert float(row["low"]) < min(maps)
    assert "σ_T" not in text
    assert exhibit_path("gr_hyperparameter_curves", ".png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("methods", "sentence"),
    [
        (["gr", "gr_without_v"], r"gr_without_v is no point of a curve: it differs from gr in \\sigma_0 and"),
        (["gr", "gr_l3_mae"], "none of the methods differs from gr on Digits"),
        (["gr_q2_0p5"], "gr_hyperparameter_curves compares with gr"),
    ],
)  # fmt: skip
def test_what_is_no_curve_is_a_sentence(monkeypatch, methods, sentence):
    config = variants(datasets=("digits",), seeds=(0,))
    finish(config, "gr_hyperparameter_curves", methods=methods)
    with pytest.raises(UserError, match=sentence):
        make("gr_hyperparameter_curves", config, monkeypatch)


def real_configuration(*overlays):
    """The project's configuration as Snakemake merges it, with the definitions of overlays."""
    config = {}
    for name in ("datasets", "protocols", "methods", "sweeps", "exhibits", "config", *overlays):
        document = yaml.safe_load((ROOT / f"config/{name}.yaml").read_text())
        merge(config, document)
    return expand(config)


def merge(base, change):
    for key, value in change.items():
        if isinstance(value, dict):
            merge(base.setdefault(key, {}), value)
        else:
            base[key] = value


@pytest.mark.parametrize(
    ("overlays", "dataset", "protocol"), [((), "digits", "demo"), (("paper",), "voc", "gr")]
)
def test_configured_points_lie_on_four_curves(overlays, dataset, protocol):
    config = real_configuration(*overlays)
    methods = config["exhibits"]["gr_hyperparameter_curves"]["methods"]
    base = run_settings(config, dataset, protocol, "gr", 0)
    curves = {}
    for method in methods[1:]:
        [(name, (value, _))] = changed_settings(
            run_settings(config, dataset, protocol, method, 0), base
        ).items()
        curves.setdefault(name, []).append(value)
    assert set(curves) == {"w_T", r"\sigma_T", "q_2", "q_3"}
    assert all(len(set(values)) == len(values) for values in curves.values())
    if overlays:
        swept = [config["grids"][name] for name in ("gr_beta", "gr_alpha", "gr_q2", "gr_q3")]
        assert {name for variants in swept for name in variants} <= set(methods)


# --- figures that were there ----------------------------------------------------------------------


def test_all_images_and_every_count_are_within_the_panel(monkeypatch):
    config = finish(configuration(datasets=("alpha", "beta")), "gr_class_counts")
    data, _ = make("gr_class_counts", config, monkeypatch)
    # A class that is never observed, in a dataset of many classes.
    many = pd.DataFrame(
        [
            {"dataset": "beta", "protocol": "demo", "class_name": str(number), "observed": number // 2,
             "missing": number, "total": number + number // 2, "images": 900}
            for number in range(312)
        ]
    )  # fmt: skip
    frame = pd.concat([data[data["dataset"] == "alpha"], many])
    with style_context():
        figure = gr_class_counts.draw(frame, exhibit_settings(config, "gr_class_counts"))
    for axes, images in zip(figure.axes, (40, 900), strict=True):
        low, high = axes.get_ylim()
        drawn = {line.get_label(): np.asarray(line.get_ydata(), float) for line in axes.lines}
        assert set(drawn["all images"]) == {images}
        assert all((low <= values).all() and (values <= high).all() for values in drawn.values())
        np.testing.assert_array_equal(drawn["positives"], drawn["missing"] + drawn["observed"])
    assert (np.diff(drawn["positives"]) <= 0).all()
    assert len(figure.axes[1].get_xticks()) < 20


def test_constants_of_the_estimate_are_the_inverse_of_the_mean_positives_of_the_datasets():
    """1/1.46 for VOC and 1/2.94 for COCO, from the known counts of their training splits."""
    datasets = yaml.safe_load((ROOT / "config/datasets.yaml").read_text())["datasets"]
    for name, inverse in (("voc", 1.46), ("coco", 2.94)):
        expected = datasets[name]["source"]["expected"]["train"]
        assert round(expected["positives"] / expected["images"], 2) == inverse
        assert ideal_rate(np.array(1.0), inverse) == pytest.approx(1)


def test_method_that_leaves_nothing_to_compare_is_refused(monkeypatch):
    for key in ("gr_separation", "gr_false_negative_rate"):
        config = configuration()
        config["exhibits"][key] = {**config["exhibits"][key], "methods": ["bce"]}
        if not Path("results").exists():
            write_results(config)
        with pytest.raises(UserError, match="method bce observes every entry"):
            make(key, config, monkeypatch)


@pytest.mark.parametrize("key", ["gr_separation", "gr_separation_table", "gr_false_negative_rate"])
def test_dataset_that_is_annotated_in_part_has_no_false_negatives_to_show(monkeypatch, key):
    config = finish(configuration(), key, methods=["an", "gr"])
    labels = load_labels(labels_path("alpha"))
    annotated = csr_array(np.ones_like(labels.train.truth))
    part = replace(labels.train, truth=csr_array(labels.train.truth), annotated=annotated)
    save_labels(labels_path("alpha"), replace(labels, train=part))
    with pytest.raises(UserError, match="alpha is annotated in part, so nobody knows its false"):
        make(key, config, monkeypatch)
