"""The published numbers against the pages that they come from, and the checks of their files.

Sums and cells were written down from those pages, not from the files.
"""

import ast
from collections import Counter
from pathlib import Path

import pytest
import yaml
from spml.exhibits.published import PublishedError, check, find, read_published

FOLDER = Path("config/published")
NAMES = sorted(path.stem for path in FOLDER.glob("*.csv"))
NUMBERS = {name: read_published(FOLDER / f"{name}.csv") for name in NAMES}
FOUR = ("voc", "coco", "nus", "cub")
GROUPS = ("test_map_g1", "test_map_g2", "test_map_g3", "test_map_g4", "test_map_g5", "test_map")
# Methods of tables that this project compares with but does not implement.
ELSEWHERE = {
    "l1r", "l2r", "smile", "mime", "vlpl", "aevlp", "plc", "curriculum", "imcl", "crisp",
    "crisp_validation_priors", "crisp_priors_every_3_epochs", "partial_bce_curriculum", "csl", "sst",
    "hst", "sarb", "ssgrl", "gcn_ml", "saliency", "scpnet", "hspnet",
}  # fmt: skip


def value(name, method, dataset, metric="test_map", protocol=None):
    return find(NUMBERS[name], method=method, dataset=dataset, metric=metric, protocol=protocol)


# --- what stands there ----------------------------------------------------------------------------


def test_files_are_read_without_a_complaint():
    check(FOLDER)
    assert NAMES == [
        "extra_known_proportions", "extra_single_positive_leaderboard", "gr_dataset_statistics", "gr_main_table", "gr_reruns", "ll_labelling_efficiency",
        "ll_memorisation_curve", "ll_memorisation_table", "ll_method_example", "ll_openimages",
        "ll_openimages_reruns", "ll_partial_labels", "ll_partial_labels_reruns",
        "ll_pointing_game",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "method", "dataset", "metric", "protocol", "printed", "spread", "kind"),
    [
        ("gr_main_table", "gr", "voc", "test_map", "gr", "89.83", "", "secondary"),
        ("gr_main_table", "gr", "cub", "test_map", "gr", "21.64", "", "secondary"),
        ("gr_main_table", "em_apl", "cub", "test_map", "em", "21.84", "0.34", "primary"),
        ("gr_main_table", "iun", "voc", "test_map", "em", "87.60", "0.31", "primary"),
        ("gr_main_table", "entmin", "coco", "test_map", "em", "32.52", "5.55", "primary"),
        ("gr_main_table", "role_li", "nus", "test_map", "em", "45.98", "0.26", "primary"),
        ("gr_main_table", "ll_ct", "coco", "test_map", "boostlu", "70.29", "", "secondary"),
        ("gr_main_table", "ll_r_boostlu", "nus", "test_map", "boostlu", "49.59", "", "primary"),
        ("gr_main_table", "vlpl", "cub", "test_map", "", "24.02", "", "primary"),
        ("gr_main_table", "aevlp", "coco", "test_map", "", "73.54", "", "primary"),
        ("gr_main_table", "mime", "nus", "test_map", "", "48.74", "", "secondary"),
        ("extra_single_positive_leaderboard", "scpnet", "cub", "test_map", "", "25.7", "", "primary"),
        ("extra_single_positive_leaderboard", "hspnet", "nus", "test_map", "", "61.8", "", "primary"),
        ("gr_reruns", "wan", "cub", "test_map", "crisp", "14.622", "1.300", "secondary"),
        ("gr_main_table", "crisp", "voc", "test_map", "crisp", "89.820", "0.191", "primary"),
        ("gr_main_table", "crisp_validation_priors", "cub", "test_map", "crisp", "19.600", "1.400", "primary"),
        ("gr_main_table", "plc", "cub", "test_map", "crisp", "21.840", "0.237", "secondary"),
        ("gr_reruns", "ll_ct_boostlu", "coco", "test_map", "crisp", "71.742", "0.006", "secondary"),
        ("gr_reruns", "ll_cp", "nus", "test_map", "crisp", "48.000", "0.077", "secondary"),
        ("gr_dataset_statistics", "", "nus", "train_images", "", "120000", "", "secondary"),
        ("gr_dataset_statistics", "", "cub", "mean_positives", "", "31.4", "", "secondary"),
        ("ll_partial_labels", "ll_r", "voc", "test_map", "ll", "89.2", "", "primary"),
        ("ll_partial_labels", "role", "nus", "test_map", "ll_linear_init", "51.0", "", "primary"),
        ("ll_partial_labels", "ll_ct", "cub", "test_map", "ll_linear_init", "21.8", "", "primary"),
        ("ll_openimages", "imcl", "openimages", "test_map_g2", "ll_openimages", "72.6", "", "primary"),
        ("ll_openimages", "ll_ct", "openimages", "test_map", "ll_openimages", "82.6", "", "primary"),
        ("ll_openimages_reruns", "ll_cp_boostlu", "openimages", "test_map_g4", "boostlu", "85.85", "", "primary"),
        ("ll_memorisation_table", "an", "coco", "warmup_false_negatives", "ll", "17.3", "", "primary"),
        ("ll_pointing_game", "ll_ct", "coco", "pointing_game", "ll", "54.1", "", "primary"),
        ("ll_labelling_efficiency", "role", "coco", "test_map_50_percent", "ll", "64.1", "", "digitised"),
        ("ll_labelling_efficiency", "bce", "coco", "test_map_100_percent", "ll", "75.8", "", "digitised"),
    ],
)  # fmt: skip
def test_cell_is_as_printed(name, method, dataset, metric, protocol, printed, spread, kind):
    found = value(name, method, dataset, metric, protocol)
    assert (found.value, found.std, found.kind) == (printed, spread, kind)


def total(rows, column="value"):
    return sum(float(getattr(row, column) or 0) for row in rows)


@pytest.mark.parametrize(
    ("name", "protocol", "sums", "spreads"),
    [
        ("gr_main_table", "em", [1280.66, 991.65, 654.67, 280.29], [7.33, 8.16, 7.69, 9.91]),
        ("gr_main_table", "boostlu", [529.21, 427.34, 291.33, 116.22], [0, 0, 0, 0]),
        # One page: its own rows and PLC's with what is shown, all others with the re-runs.
        ("gr_main_table", "crisp", [356.503, 293.427, 194.9, 82.54], [0.881, 0.828, 0.8, 2.204]),
        ("gr_reruns", "crisp", [1226.81, 966.159, 650.951, 257.411], [2.179, 1.623, 2.434, 4.52]),
        ("ll_partial_labels", "ll", [788.5, 615.6, 420.5, 185.2], [0, 0, 0, 0]),
        ("ll_partial_labels", "ll_linear_init", [791.7, 633.4, 447.7, 195.3], [0, 0, 0, 0]),
    ],
)
def test_columns_of_the_four_datasets_have_the_sums_of_the_page(name, protocol, sums, spreads):
    for dataset, mean, spread in zip(FOUR, sums, spreads, strict=True):
        rows = [row for row in NUMBERS[name] if (row.dataset, row.protocol) == (dataset, protocol)]
        assert total(rows) == pytest.approx(mean, abs=1e-6), dataset
        assert total(rows, "std") == pytest.approx(spread, abs=1e-6), dataset


@pytest.mark.parametrize(
    ("name", "sums"),
    [
        ("gr_main_table", {"em": 227.79, "em_apl": 229.49, "entmin": 118.14, "an": 211.39}),
        ("ll_partial_labels", {"bce": 512.8, "epr": 435.8, "ll_r": 459.0, "ll_cp": 457.6}),
        ("ll_openimages", {"naive_iu": 455.2, "curriculum": 462.3, "imcl": 468.4, "an": 492.2, "wan": 462.3, "an_ls": 449.9, "ll_r": 495.0, "ll_ct": 495.8, "ll_cp": 495.1}),
        ("ll_openimages_reruns", {"ll_r": 495.17, "ll_r_boostlu": 503.17, "ll_cp": 494.75, "ll_cp_boostlu": 504.25}),
        ("ll_pointing_game", {"an": 125.3, "wan": 127.5, "an_ls": 128.6, "epr": 128.3, "role": 134.0, "ll_r": 137.7, "ll_ct": 137.8, "ll_cp": 136.8}),
        ("ll_labelling_efficiency", {"an": 581.3, "an_ls": 626.5, "role": 630.8, "ll_ct": 656.8, "bce": 717.6}),
    ],
)  # fmt: skip
def test_rows_have_the_sums_of_the_page(name, sums):
    for method, expected in sums.items():
        rows = [row for row in NUMBERS[name] if row.method == method]
        assert total(rows) == pytest.approx(expected, abs=1e-6), method


def test_groups_of_openimages_have_the_sums_of_the_page():
    sums = [660.9, 672.5, 706.1, 737.0, 787.0, 712.7]
    for metric, expected in zip(GROUPS, sums, strict=True):
        rows = [row for row in NUMBERS["ll_openimages"] if row.metric == metric]
        assert len(rows) == 9
        assert total(rows) == pytest.approx(expected, abs=1e-6)


def test_known_shares_are_of_another_network_and_add_up():
    rows = NUMBERS["extra_known_proportions"]
    assert all(row.note.startswith("ResNet-101") for row in rows)
    sums = {}
    for row in rows:
        sums[row.method] = sums.get(row.method, 0) + float(row.value)
    # Over all entries and over those that are known: 9 points at 10 %, 16.4 over the five shares.
    assert sums.pop("iu") == pytest.approx(363.5)
    assert sums.pop("bce_known") == pytest.approx(379.9)
    assert len(sums) == 9


def test_misprint_of_the_memorisation_table_stands_as_printed_with_a_note():
    sums = {}
    for row in NUMBERS["ll_memorisation_table"]:
        kind = row.metric.split("_", 1)[1]
        sums[row.dataset, kind] = sums.get((row.dataset, kind), 0) + float(row.value)
        assert ("misprint" in row.note) == ((row.dataset, kind) == ("voc", "false_negatives"))
    assert sums.pop(("voc", "false_negatives")) == pytest.approx(96.0)
    assert list(sums.values()) == pytest.approx([100.0] * 5)


def test_methods_and_datasets_are_those_of_the_project_or_known_to_be_elsewhere():
    methods = set(yaml.safe_load(Path("config/methods.yaml").read_text())["methods"])
    datasets = set(yaml.safe_load(Path("config/datasets.yaml").read_text())["datasets"])
    for name, rows in NUMBERS.items():
        for row in rows:
            assert row.method in methods | ELSEWHERE | {""}, (name, row.method)
            if not row.dataset.startswith(("reben_", "aid_")):
                assert row.dataset in datasets | {""}, (name, row.dataset)


def test_every_source_can_be_followed():
    for rows in NUMBERS.values():
        for row in rows:
            assert any(word in row.source for word in ("github.com/", "arXiv", "NeurIPS", "ICCV"))


def test_exhibits_find_one_number_a_cell():
    for name, key in (
        ("gr_main_table", lambda row: (row.method, row.dataset, row.metric)),
        ("ll_partial_labels", lambda row: (row.method, row.dataset, row.metric, row.protocol)),
        ("ll_openimages", lambda row: (row.method, row.dataset, row.metric, row.protocol)),
    ):
        assert max(Counter(map(key, NUMBERS[name])).values()) == 1


def test_no_exhibit_holds_a_result():
    """Numbers with decimals in code and in its texts, against all that is published."""
    printed = {row.value for rows in NUMBERS.values() for row in rows if float(row.value) > 2}
    printed = {text for text in printed if "." in text}
    numbers = {float(text) for text in printed}
    folder = Path("workflow/spml")
    for path in [*folder.glob("exhibits/*.py"), *folder.glob("report/*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, float):
                # Sizes of figures in inches are small; results in percent are not.
                assert node.value < 10 or node.value not in numbers, (path, node.lineno)
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not set(node.value.split()) & printed, (path, node.lineno)


# --- what is refused ------------------------------------------------------------------------------

HEADER = "paper,exhibit,method,dataset,protocol,metric,value,std,kind,source,note"
ROW = "gr,table,an,voc,em,test_map,85.9,0.4,primary,Somebody 2022,"


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ([HEADER + ",colour", ROW + ",red"], "gr_table.csv: 'colour' is not a column; allowed: paper, exhibit, "),
        ([HEADER.replace(",note", "")], "gr_table.csv: the columns must be paper, exhibit, method, "),
        ([], "gr_table.csv: the columns must be"),
        ([HEADER, ROW.replace("primary", "first")], "gr_table.csv, line 2: kind is 'first'; allowed: digitised, primary, secondary"),
        ([HEADER, ROW, ROW], "gr_table.csv, line 3: an voc em test_map stands there twice"),
        ([HEADER, ROW.replace("85.9", "~85.9")], "gr_table.csv, line 2: value is '~85.9'; a plain decimal number is expected"),
        ([HEADER, ROW.replace("85.9", "")], "gr_table.csv, line 2: value is ''; it must not be empty"),
        ([HEADER, ROW.replace("0.4", "±0.4")], "gr_table.csv, line 2: std is '±0.4'"),
        ([HEADER, ROW.replace("Somebody 2022", "")], "gr_table.csv, line 2: source is ''; it must not be empty"),
        ([HEADER, ROW.replace("gr,table", "ll,table")], "the rows of ll_table stand in a file of that name"),
        ([HEADER, "gr,table,an"], "gr_table.csv, line 2: 11 columns are expected"),
    ],
)  # fmt: skip
def test_mistake_is_one_sentence_with_its_place(tmp_path, lines, sentence):
    path = tmp_path / "gr_table.csv"
    path.write_text("".join(f"{line}\n" for line in lines))
    with pytest.raises(PublishedError) as error:
        check(tmp_path)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


def test_two_numbers_for_one_cell_are_refused_when_one_is_to_be_shown(tmp_path):
    path = tmp_path / "gr_table.csv"
    path.write_text(f"{HEADER}\n{ROW}\n{ROW.replace('2022', '2023')}\n")
    rows = read_published(path)
    with pytest.raises(PublishedError, match=r"gr_table\.csv: an voc test_map has 2 values \(Some"):
        find(rows, method="an", dataset="voc", metric="test_map")
    assert find(rows, method="an", dataset="coco", metric="test_map") is None
