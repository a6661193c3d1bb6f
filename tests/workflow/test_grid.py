"""The grid of both papers: planned whole and in part, and each path of it run on the embedded dataset."""

import json
import re
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from checkouts import Checkout, planned_jobs

PAPER = ("--configfile", "config/paper.yaml")
ON_DIGITS = (*PAPER, "config/paper_on_digits.yaml", "tests/workflow/small_grid.yaml")
FOUR = ("voc", "coco", "nus", "cub")
LARGE_LOSS = ("ll_r", "ll_ct", "ll_cp")
GR_METHODS = (
    *("bce", "iun", "an", "dw", "an_ls", "n_ls", "entmin", "focal", "asl", "role", "role_li"),
    *("em", "em_apl", *LARGE_LOSS, "gr"),
    *("gpr", "ranking", "p_asl", "p_asl_selective", "two_way", "vpu"),  # of later papers
)
# Of that table, under the protocols that their published numbers were made with.
EM_METHODS = (
    *("bce", "iun", "an", "dw", "an_ls", "n_ls", "entmin", "focal", "asl", "role", "role_li"),
    *("em", "em_apl"),
)
BOOSTLU_METHODS = ("an", *LARGE_LOSS, *(f"{name}_boostlu" for name in LARGE_LOSS))
ABLATION = (
    *("gr_without_v", "gr_running_v", "gr_constant_k", "gr_rational_k", "gr_learned_k"),
    *("gr_constant_schedules", "gr_l2_log", "gr_l2_mae", "gr_l3_log", "gr_l3_mae"),
)
# Points of GR's curves on VOC that are no part of the ablation.
CURVES = (
    *("gr_beta_1", "gr_beta_4", "gr_beta_10", "gr_alpha_0p25", "gr_alpha_1", "gr_alpha_2"),
    *("gr_q2_0p1", "gr_q2_0p5", "gr_q3_0p5", "gr_q3_1p5"),
)
GR_EXHIBITS = (
    *("main_table", "dataset_statistics", "ablation", "hyperparameters", "separation_table"),
    *("loss_mapping", "gradients", "hyperparameter_curves", "separation", "class_counts"),
    "false_negative_rate",
)
LL_METHODS = ("bce", "an", "wan", "an_ls", "epr", "role", *LARGE_LOSS)
SWEEP = [f"{method}_delta_0p{tenths}" for method in LARGE_LOSS for tenths in (1, 2, 3, 4, 5)]
THINNED_OUT = [
    f"{method}_{percent}_percent"
    for method in ("bce", "an", "an_ls", "role", "ll_ct")
    for percent in range(10, 100, 10)
]
OPENIMAGES_METHODS = (
    *("naive_iu", "an", "wan", "an_ls", *LARGE_LOSS),
    *("bce_known", "partial_bce", "p_asl", "p_asl_ignore", "p_asl_selective_prior"),
)


def jobs(printed: str) -> dict[str, int]:
    """Jobs of each rule, from the table that a dry run prints."""
    table = printed.split("Job stats:")[1].split("\n\n")[0]
    return {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", table, re.M)}


def trained(planned: set[str]) -> Counter:
    """Planned trainings of each dataset, protocol and method."""
    places = [job.split("/")[1:4] for job in planned if job.startswith("train/")]
    return Counter(tuple(place) for place in places)


def grid(datasets, seeds=3) -> Counter:
    """Runs of each dataset, protocol and method that the exhibits of both papers need."""
    runs = Counter()
    for dataset in datasets:
        methods = {("gr", method) for method in GR_METHODS}
        methods |= {("em", method) for method in EM_METHODS}
        methods |= {("boostlu", method) for method in BOOSTLU_METHODS}
        methods |= {(protocol, m) for protocol in ("ll", "ll_linear_init") for m in LL_METHODS}
        methods |= {("gr", method) for method in ABLATION}
        if dataset == "voc":
            methods |= {("gr", method) for method in CURVES}
        if dataset in ("voc", "coco"):
            methods |= {("ll", method) for method in ("an_recorded", *SWEEP)}
            runs[dataset, "ll", "ll_ct_recorded"] = 1  # its pictures are those of one run
        if dataset == "coco":
            methods |= {("ll", method) for method in THINNED_OUT}
        runs.update({(dataset, protocol, method): seeds for protocol, method in methods})
    return runs


def test_whole_grid_is_planned_from_bare_archives(pristine, tmp_path):
    """With one seed, since the runs of the others are planned alike."""
    checkout = replace(pristine.copy(tmp_path / "checkout"), configuration=PAPER)
    paper = checkout.path / "config/paper.yaml"
    paper.write_text(paper.read_text().replace("[0, 1, 2]", "[0]"))
    printed = checkout.ask("-n", "--printshellcmds")
    counts = jobs(printed)
    # Rows of the tables and GR's ablation; GR's curves on VOC; delta_rel of three methods on two
    # datasets; tenths of COCO's images for five methods; AN recorded on two datasets.
    with_each_seed = len(FOUR) * (23 + 13 + 7 + 10 + 2 * 9) + 10 + 12 + 2 * 3 * 5 + 5 * 9 + 2
    with_one_seed = 2  # LL-Ct recorded, on two datasets
    runs = with_each_seed + with_one_seed
    of_three_seeds = 3 * with_each_seed + with_one_seed
    assert f"plans: {of_three_seeds} runs" in (checkout.path / "docs/user-guide.md").read_text()
    files = (checkout.path / "config/datasets.tsv").read_text().splitlines()[1:]
    archives = [row for row in files if not row.startswith("weights\t")]
    expected = {
        "all": 1,
        "report": 1,
        **{f"gr_{name}": 1 for name in GR_EXHIBITS},
        "describe_losses": 1,
        "ll_partial_labels": 1,
        "ll_openimages": 1,
        "ll_memorisation_curve": 1,
        "ll_memorisation_table": 1,
        "ll_corrections": 1,
        "ll_delta_rel": 1,
        "ll_labelling_efficiency": 1,
        "ll_pointing_game": 1,
        "ll_examples": 1,
        "extra_significance": 1,
        "extra_gap_closed": 1,
        "extra_class_ap": 1,
        "extra_class_gain": 1,
        "extra_separation": 1,
        "extra_reproduction_summary": 1,
        "extra_claims": 1,
        "extra_cost": 1,
        "extra_learning_curves": 1,
        "extra_protocols": 1,
        "extra_single_positive_leaderboard": 1,
        # GR's table, ablation and curves, separation, LL's two tables and two of its curves.
        "collect": 8,
        # GR's table under three protocols, LL's under each ll; OpenImages is annotated in part.
        "compare": len(FOUR) * (3 + 2),
        "train": runs,
        "evaluate": runs,
        "localise": 2 * 8,
        # Under gr and em: single positives, all labels, and all negatives; under each ll: the first
        # two; under boostlu: the first. Of tenths of COCO's images: single positives and all labels.
        "observe": len(FOUR) * (3 + 3 + 2 + 2 + 1) + 1 + 2 * 9,
        "illustrate": 5,
        "extract_features": len(FOUR),
        "format": 5,
        "pack": 5,
        "fetch_images": 1,
        "download_weights": 2,
        "download": len(archives),
        "extract": len(archives),
    }
    assert counts == {**expected, "total": sum(expected.values())}
    openimages = {("openimages", "ll_openimages", method) for method in OPENIMAGES_METHODS}
    assert trained(planned_jobs(printed)) == grid(FOUR, seeds=1) + Counter(openimages)


def test_voc_alone_is_one_edit(pristine, tmp_path):
    checkout = replace(pristine.copy(tmp_path / "checkout"), configuration=PAPER)
    checkout.edit(
        "config/paper.yaml", "datasets: [voc, coco, nus, cub, openimages]", "datasets: [voc]"
    )
    planned = checkout.planned()
    assert trained(planned) == grid(["voc"])
    assert not {job for job in planned if re.search("coco|nus|cub|openimages", job)}
    assert {"exhibits/gr_main_table", "exhibits/ll_partial_labels"} <= planned


def test_methods_are_selected_by_lists(pristine, tmp_path):
    checkout = replace(pristine.copy(tmp_path / "checkout"), configuration=PAPER)
    (checkout.path / "mine.yaml").write_text(
        "select: { datasets: [voc, cub], protocols: [gr], methods: [an, gr], seeds: [5],"
        " exhibits: [gr_main_table, gr_separation_table] }\n"
    )
    planned = replace(checkout, configuration=(*PAPER, "mine.yaml")).planned()
    runs = {(dataset, "gr", method) for dataset in ("voc", "cub") for method in ("an", "gr")}
    assert trained(planned) == Counter(dict.fromkeys(runs, 1))
    assert not {job for job in planned if job.startswith("exhibits/ll")}


def test_run_that_finds_a_prior_is_made_though_no_table_shows_it(pristine, tmp_path):
    checkout = pristine.copy(tmp_path / "checkout")
    (checkout.path / "mine.yaml").write_text(
        "select: { methods: [p_asl_selective_prior], seeds: [3], exhibits: [gr_main_table] }\n"
    )
    planned = replace(checkout, configuration=("--configfile", "mine.yaml")).planned()
    made = {("digits", "demo", method): 1 for method in ("p_asl_ignore", "p_asl_selective_prior")}
    assert trained(planned) == made
    assert len([job for job in planned if job.startswith("evaluate/")]) == 1


@pytest.fixture(scope="session")
def grid_on_digits(finished, once) -> Checkout:
    """What the grid has and the demo has not; the dataset and its backbone are the demo's."""

    def make(path: Path) -> None:
        checkout = finished.copy(path)
        for folder in (path / "results").iterdir():
            if folder.is_dir() and folder.name not in ("labels", "backbones", "losses"):
                shutil.rmtree(folder)
        replace(checkout, configuration=ON_DIGITS).snakemake()

    return Checkout(once("grid_on_digits", make), ON_DIGITS)


def test_every_path_of_the_grid_runs_on_digits(grid_on_digits):
    folder = grid_on_digits.path / "results"
    for protocol, methods in (
        ("gr", ("an", "em_apl")),
        ("em", ("an", "em_apl")),
        ("boostlu", ("an", "ll_cp_boostlu")),
        ("ll", ("an", "role")),
        ("ll_linear_init", ("an", "role")),
        ("ll_openimages", ("naive_iu", "ll_cp")),
    ):
        for method in methods:
            run = folder / f"runs/digits/{protocol}/{method}/seed0"
            record = json.loads((run / "run.json").read_text())
            assert (record["linear_init"] is not None) == (protocol == "ll_linear_init")
            assert 0 < json.loads((run / "metrics.json").read_text())["test"]["map"] <= 100
    assert {path.stem for path in folder.glob("exhibits/*/*.md")} == {
        "main_table", "hyperparameters", "partial_labels", "openimages", "significance",
        "reproduction_summary", "claims", "cost", "protocols", "single_positive_leaderboard",
    }  # fmt: skip
    assert "Nothing to be done" in grid_on_digits.ask("-n")


def test_published_number_plans_the_exhibits_that_show_it_alone(grid_on_digits, tmp_path):
    checkout = grid_on_digits.copy(tmp_path / "checkout")
    path = checkout.path / "config/published/ll_partial_labels.csv"
    with path.open("a") as file:
        file.write("ll,partial_labels,an,digits,ll,test_map,99.0,,secondary,Nobody,\n")
    # Two exhibits are made from this one.
    summaries = {"exhibits/extra_reproduction_summary", "exhibits/extra_claims"}
    leaderboard = "exhibits/extra_single_positive_leaderboard"
    shown = {"exhibits/ll_partial_labels", leaderboard, "report"}
    assert checkout.planned() == shown | summaries
    checkout.snakemake("ll_partial_labels")
    table = (checkout.path / "results/exhibits/ll/partial_labels.md").read_text()
    assert "99.0 (secondary)" in table


def test_changing_a_setting_of_one_protocol_plans_its_runs_alone(grid_on_digits, tmp_path):
    checkout = grid_on_digits.copy(tmp_path / "checkout")
    checkout.edit(
        "config/methods.yaml",
        "      boostlu: *boostlu_ll_cp\n      ll_openimages: *openimages",
        "      boostlu: *boostlu_ll_cp\n      ll_openimages: {}",
    )
    assert trained(checkout.planned()) == {("digits", "ll_openimages", "ll_cp"): 1}


def test_mistake_among_the_published_numbers_stops_before_any_job(pristine, tmp_path):
    checkout = pristine.copy(tmp_path / "checkout")
    checkout.edit("config/published/gr_main_table.csv", ",secondary,", ",tertiary,")
    printed = checkout.ask("-n", fails=True)
    assert "config/published/gr_main_table.csv, line 2: kind is 'tertiary'; allowed: " in printed
    assert "Traceback" not in printed
