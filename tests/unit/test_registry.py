import copy

import pytest
import torchvision
import yaml
from spml.datasets.export import TYPES
from spml.planning import registry
from spml.planning.registry import (
    RegistryError,
    check,
    configured_rows,
    download_settings,
    manifests,
    read_registry,
    tree,
    with_weight_files,
)


@pytest.fixture
def config() -> dict:
    result: dict = {}
    for name in ("datasets", "paper"):
        with open(f"config/{name}.yaml") as file:
            result |= yaml.safe_load(file)
    return result


def test_shipped_registry_has_every_dataset_of_the_papers(config):
    check(config)
    rows = {(row.dataset, row.file): row for row in configured_rows(config)}
    assert {dataset for dataset, _ in rows} >= {"voc", "coco", "nus", "cub", "openimages"}
    for row in rows.values():
        assert all(address.startswith(("http://", "https://")) for address in row.addresses)
        if row.access == "open":
            assert row.checksum is not None
    for dataset in config["datasets"].values():
        weights = dataset["backbone"]["weights"]
        if weights.startswith("data/weights/"):
            assert ("weights", weights.removeprefix("data/weights/")) in rows


def test_a_site_mirror_is_set_in_one_place(config):
    config["download"]["roots"]["coco"] = "http://mirror.local/coco/"
    settings = download_settings(config, "coco", "train2014.zip")
    assert settings["addresses"][0] == "http://mirror.local/coco/zips/train2014.zip"
    assert settings["size"] == 13510573713


def test_own_data_needs_no_archive(config):
    assert tree(config, "coco") == "data/tree/coco"
    assert len(manifests(config, "coco", "images")) == 2
    assert manifests(config, "coco", "labels") == [
        "data/raw/coco/annotations_trainval2014.zip.manifest.json"
    ]
    config["data"] = {"coco": {"path": "/datasets/coco"}}
    assert tree(config, "coco") == "/datasets/coco"
    assert manifests(config, "coco", "images") == manifests(config, "coco", "labels") == []


def test_tables_of_ones_own_are_inputs_since_they_are_edited(tmp_path):
    for name in ("train.csv", "test.csv", "notes.txt"):
        (tmp_path / name).touch()
    config = {
        "datasets": {"mine": {"source": {"module": "table"}}},
        "data": {"mine": {"path": str(tmp_path)}},
    }
    assert manifests(config, "mine", "labels") == [
        str(tmp_path / "test.csv"),
        str(tmp_path / "train.csv"),
    ]
    assert manifests(config, "mine", "images") == []


def test_dataset_without_files_is_told_how_to_get_them(config):
    config["datasets"]["mine"] = copy.deepcopy(config["datasets"]["coco"])
    config["select"]["datasets"] = ["mine"]
    with pytest.raises(RegistryError, match=r"no labels of mine; .* set data\.mine\.path"):
        check(config)
    config["data"] = {"mine": {"path": "/x"}}
    config["datasets"]["mine"]["source"]["module"] = "coco"
    with pytest.raises(RegistryError, match=r"mine\.source\.module is 'coco'; allowed: voc2012"):
        check(config)
    config["datasets"]["mine"]["source"]["module"] = "coco2014"
    check(config)
    config["data"] = {"mine": {"path": "/x"}, "other": {"path": "/y"}}
    with pytest.raises(RegistryError, match=r"data\.other is not a dataset"):
        check(config)


HEADER = "dataset\tfile\tholds\taddress\tmirrors\tbytes\tchecksum\tlicence\taccess"
GOOD = ["d", "f.zip", "all", "{r}/f.zip", "", "12", "md5:" + "0" * 32, "CC0", "open"]


@pytest.mark.parametrize(
    ("column", "value", "sentence"),
    [
        (1, "../f.zip", "line 2: file is '../f.zip', which is not a plain file name"),
        (2, "picture", "line 2: holds is 'picture'; allowed: labels, images, all"),
        (3, "{other}/f.zip", r"line 2: no download\.roots\.other in the configuration; r"),
        (5, "12 GB", "line 2: bytes is '12 GB'"),
        (6, "0a0a0a0a", "line 2: checksum is '0a0a0a0a'"),
        (8, "closed", "line 2: access is 'closed'; allowed: open, manual"),
    ],
)
def test_mistakes_are_named(tmp_path, column, value, sentence):
    path = tmp_path / "registry.tsv"
    row = list(GOOD)
    path.write_text("\n".join([HEADER, "\t".join(row), ""]))
    assert read_registry(path, {"r": "http://x"})[0].addresses == ("http://x/f.zip",)
    row[column] = value
    path.write_text("\n".join([HEADER, "\t".join(row), ""]))
    with pytest.raises(RegistryError, match=sentence):
        read_registry(path, {"r": "http://x"})


def test_weights_that_are_nowhere_are_named(config, tmp_path):
    registry.check(config)
    weights = tmp_path / "mine.pt"
    backbone = config["datasets"]["coco"]["backbone"]  # an alias of the other datasets' too
    config["datasets"]["coco"]["backbone"] = {**backbone, "weights": str(weights)}
    with pytest.raises(
        RegistryError, match=r"coco\.backbone\.weights is \S+mine\.pt, which is neither"
    ):
        registry.check(config)
    weights.touch()
    registry.check(config)


def test_reference_modules_are_those_that_export():
    assert set(registry.REFERENCE_MODULES) == set(TYPES)


def test_wrong_columns_and_double_rows(tmp_path):
    path = tmp_path / "registry.tsv"
    path.write_text("dataset\tfile\n")
    with pytest.raises(RegistryError, match="the columns must be dataset, file, holds"):
        read_registry(path, {})
    path.write_text("\n".join([HEADER, "\t".join(GOOD), "\t".join(GOOD)]))
    with pytest.raises(RegistryError, match=r"d f\.zip stands there twice"):
        read_registry(path, {"r": "http://x"})
    path.write_text(f"{HEADER}\nd\tf\n")
    with pytest.raises(RegistryError, match="line 2: 9 columns are expected"):
        read_registry(path, {})


def test_weights_of_torchvision_are_those_of_its_own_list():
    listed = {}
    for network in torchvision.models.list_models(module=torchvision.models):
        for weights in torchvision.models.get_model_weights(network):
            listed[network, weights.name] = weights.url.rpartition("/")[2]
    assert registry._torchvision_files() == listed


def test_weights_by_name_are_downloaded_from_torchvision_and_verified(config):
    vit = {"architecture": "vit_b_16", "weights": "IMAGENET1K_V1"}
    config["datasets"]["voc"]["backbone"] = vit
    resnet = {"architecture": "resnet50", "weights": "IMAGENET1K_V1"}
    config["datasets"]["coco"]["backbone"] = resnet
    found = with_weight_files(config)
    assert config["datasets"]["voc"]["backbone"] == vit
    [file] = [dataset["backbone"]["weights"] for dataset in (found["datasets"]["voc"],)]
    assert file.startswith("data/weights/vit_b_16-")
    check(found)
    settings = download_settings(found, "weights", file.rpartition("/")[2])
    url = torchvision.models.ViT_B_16_Weights.IMAGENET1K_V1.url
    assert settings["addresses"] == (url,)
    assert settings["checksum"] == f"sha256:{url[-12:-4]}"
    # Where the registry has the file, its row with size and whole checksum counts.
    known = found["datasets"]["coco"]["backbone"]["weights"]
    rows = [row for row in configured_rows(found) if row.file == known.rpartition("/")[2]]
    assert [row.size for row in rows] == [102530333]


def test_weights_that_torchvision_has_not_got_are_named(config):
    config["datasets"]["voc"]["backbone"] = {"architecture": "swin_t", "weights": "IMAGENET1K_V2"}
    with pytest.raises(
        RegistryError,
        match="weights is IMAGENET1K_V2, which torchvision has not got of swin_t; allowed: IMAGENET1K_V1",
    ):
        with_weight_files(config)
