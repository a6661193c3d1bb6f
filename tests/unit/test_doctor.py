"""What would make a run fail later, found before it starts."""

import base64
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from official_trees import TREES, write_voc
from spml import doctor
from spml.desk import data, disk, machine, training
from spml.desk import workflow as snakemake_state
from spml.desk.finding import FAIL, NOTE, OK
from spml.planning.files import load
from spml.plumbing.addresses import CHECKPOINT, labels_path, packed_path, run_path
from spml.plumbing.checksums import write_checksums
from spml.plumbing.errors import UserError
from spml.plumbing.files import write_json

ROOT = Path(__file__).parents[2]
VOC = "VOCtrainval_11-May-2012.tar"


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """The project's files, in a folder without data."""
    for name in ("config", "Snakefile", "envs", "workflow"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def configured(*datasets, **changes):
    config = load(["config/paper.yaml"] if datasets else [])
    if datasets:
        config["select"]["datasets"] = list(datasets)
    return {**config, **changes}


def only(findings, level):
    return [finding.text for finding in findings if finding.level == level]


def test_nothing_is_wrong_with_a_new_checkout():
    findings = doctor.examine(configured())
    assert only(findings, FAIL) == []
    assert "data: complete" in only(findings, OK)


def test_results_that_something_has_damaged_would_fail():
    table = Path("results/tables/gr/main_table.csv")
    table.parent.mkdir(parents=True)
    table.write_text("method,value\nan,1\n")
    write_checksums(table)
    assert "results: tables, figures and metrics are as they were written" in only(
        doctor.examine(configured()), OK
    )
    table.write_text("method,value\n")
    [told] = only(doctor.examine(configured()), FAIL)
    assert told.startswith(f"results: {table} is not as it was written")
    table.unlink()
    assert only(doctor.examine(configured()), FAIL) == []


def test_datasets_that_are_handed_out_on_request_would_fail():
    findings = data.check_data(configured("nus"))
    told = only(findings, FAIL)
    assert len(told) == 5
    assert "put it at data/raw/nus/Flickr.zip" in told[-1]
    there = Path("data/raw/nus/Flickr.zip")
    there.parent.mkdir(parents=True)
    there.write_text("")
    assert len(only(data.check_data(configured("nus")), FAIL)) == 4
    note = "data: nus/Flickr.zip is there but not verified yet, which the run does first"
    assert note in only(data.check_data(configured("nus")), NOTE)


def test_own_tables_are_read_and_their_images_looked_for(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    config = configured("voc")
    config["datasets"]["voc"]["source"]["module"] = "table"
    config["data"] = {"voc": {"path": str(folder)}}
    [told] = only(data.check_data(config), FAIL)
    assert told == f"data: data.voc.path: there is no {folder}/train.csv"
    del config["datasets"]["voc"]["source"]["expected"]
    del config["datasets"]["voc"]["source"]["class_counts"]
    (folder / "train.csv").write_text("image,cat\na.jpg,1\n")
    (folder / "test.csv").write_text("image,cat\nb.jpg,1\n")
    [told] = only(data.check_data(config), FAIL)
    assert told == (f"data: data.voc.path: there is no {folder}/a.jpg, which the train split names")
    for name in ("a.jpg", "b.jpg"):
        (folder / name).touch()
    assert only(data.check_data(config), FAIL) == []


def own_tree(dataset, root, path=None):
    """The configuration of a dataset that is there already, with nothing known of its numbers."""
    config = configured(dataset, data={dataset: {"path": str(path or root)}})
    for key in ("expected", "class_counts"):
        config["datasets"][dataset]["source"].pop(key, None)
    return config


def test_own_folder_must_exist():
    config = own_tree("nus", "mine")
    assert "data.nus.path is mine" in only(data.check_data(config), FAIL)[0]


@pytest.mark.parametrize("dataset", TREES)
def test_own_tree_is_read_as_formatting_reads_it_and_its_images_looked_for(dataset, tmp_path):
    root = tmp_path / "official"
    write_tree, images = TREES[dataset]
    write_tree(root)
    told = only(data.check_data(own_tree(dataset, root)), FAIL)
    assert told == [
        f"data: data.{dataset}.path: there is no {root / images[0]}, which the train split names"
    ]
    for image in images:
        (root / image).parent.mkdir(parents=True, exist_ok=True)
        (root / image).touch()
    assert only(data.check_data(own_tree(dataset, root)), FAIL) == []
    (root / images[-1]).unlink()
    [told] = only(data.check_data(own_tree(dataset, root)), FAIL)
    assert told.endswith(f"there is no {root / images[-1]}, which the test split names")
    # A level too high or too deep, and a tree of which a part is missing.
    for path in (tmp_path, (root / images[0]).parent):
        [told] = only(data.check_data(own_tree(dataset, root, path)), FAIL)
        assert told.startswith(f"data: data.{dataset}.path: {path}")


def test_own_tree_of_other_numbers_would_fail(tmp_path):
    root = tmp_path / "official"
    write_voc(root)
    [told] = only(data.check_data(configured("voc", data={"voc": {"path": str(root)}})), FAIL)
    assert told.startswith(
        "data: data.voc.path: the train split has 2 images but 5717 are expected"
    )


def test_own_tree_that_is_packed_is_read_no_more(tmp_path):
    root = tmp_path / "official"
    root.mkdir()
    assert only(data.check_data(own_tree("voc", root)), FAIL)
    for path in (labels_path("voc"), packed_path("voc")):
        path.parent.mkdir(parents=True)
        path.write_text("{}")
    assert only(data.check_data(own_tree("voc", root)), FAIL) == []
    config = own_tree("voc", root)
    config["datasets"]["voc"]["source"]["pack"] = "on_the_fly"
    assert only(data.check_data(config), FAIL)


@pytest.mark.parametrize(
    ("backbone", "size", "told"),
    [
        ({"architecture": "resnet18"}, 64, ""),
        ({"architecture": "resnet8"}, 64, "backbone.architecture 'resnet8' is unknown (did you mean 'resnet"),
        ({"architecture": "vit_b_32"}, 64, ""),
        ({"architecture": "maxvit_t"}, 64, "backbone.architecture 'maxvit_t' cannot take pictures of 64 x 64 (Input size (16, 16) of block 0"),
        ({"architecture": "digit_network"}, 64, "backbone.architecture 'digit_network' cannot take pictures of 3 x 64 x 64"),
        ({"architecture": "alexnet"}, 16, "backbone.architecture 'alexnet' cannot take pictures of 3 x 16 x 16"),
        ({"architecture": "resnet18", "weights": "other.pt"}, 64, "other.pt does not hold weights of a resnet18"),
    ],
)  # fmt: skip
def test_network_that_training_refuses_would_fail(backbone, size, told):
    torch.save({"w": torch.zeros(1)}, "other.pt")
    config = configured("voc")
    config["datasets"]["voc"]["backbone"].update(backbone)
    config["datasets"]["voc"]["source"]["size"] = size
    found = only(training.check_training(config), FAIL)
    assert [text.startswith(f"training: datasets.voc: {told}") for text in found] == (
        [True] if told else []
    )


def test_value_that_a_loss_refuses_would_fail():
    config = configured()
    assert only(training.check_training(config), FAIL) == []
    config["methods"]["gr"]["hyperparameters"]["q3"] = -1
    told = only(training.check_training(config), FAIL)
    assert any(text.startswith("training: methods.gr on digits: q3") for text in told)
    assert len(told) == len(set(told))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda loss, logits: loss.liner(), "AttributeError: 'AssumeNegative' object has no attribute 'liner'"),
        (lambda loss, logits: torch.ones(2, 3), "spml.losses.an: compute has to give one number a batch, and "
         "gives a tensor of shape (2, 3); is .mean() missing?"),
        (lambda loss, logits: logits.sum() / 0, "is not finite for ordinary logits"),
    ],
)  # fmt: skip
def test_loss_that_fails_on_a_batch_would_fail(monkeypatch, wrong, told):
    from spml.losses.an import AssumeNegative

    monkeypatch.setattr(AssumeNegative, "compute", lambda self, logits, *_: wrong(self, logits))
    first, *others = only(training.check_training(configured()), FAIL)
    assert first.startswith(f"training: methods.an on digits: {told}")
    # Its variants alone fail with it.
    assert all(text.startswith("training: methods.an_") for text in others)


def test_archive_of_a_wrong_size_and_a_receipt_of_something_else_would_fail():
    archive = Path(f"data/raw/voc/{VOC}")
    archive.parent.mkdir(parents=True)
    archive.write_text("x")
    [told] = only(data.check_data(configured("voc")), FAIL)
    assert "has 1 bytes, 1999639040 expected" in told
    with archive.open("r+b") as file:
        file.truncate(1999639040)  # takes no room
    write_json(archive.with_name(f"{VOC}.receipt.json"), {"checksum": "sha256:00"})
    [told] = only(data.check_data(configured("voc")), FAIL)
    assert "was received with sha256:00 but the registry says sha256:e14f763" in told


def test_lost_packed_images_would_fail():
    manifest = Path("data/packed/digits/manifest.json")
    write_json(manifest, {"train": {"file": "train.npy"}, "test": {"file": "test.npy"}})
    manifest.with_name("test.npy").touch()
    [told] = only(data.check_data(configured()), FAIL)
    assert "packed train images of digits are lost" in told
    assert f"snakemake --cores all -- {manifest}" in told


def test_features_that_are_not_there_would_fail():
    config = configured()
    config["datasets"]["digits"]["features"] = {"file": "features.npz"}
    told = "data: datasets.digits.features.file: there is no features.npz"
    assert only(data.check_data(config), FAIL) == [told]
    Path("features.npz").touch()
    assert only(data.check_data(config), FAIL) == []


def test_download_needs_curl(monkeypatch):
    monkeypatch.setattr(data.shutil, "which", lambda name: None)
    assert "curl" in only(data.check_data(configured("voc")), FAIL)[-1]
    assert only(data.check_data(configured()), FAIL) == []


@pytest.mark.parametrize(("free", "level"), [(10**15, OK), (10**10, FAIL)])
def test_disk_is_compared_to_archives_files_pixels_and_weights(monkeypatch, free, level):
    usage = type("Usage", (), {"free": free})
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda path: usage)
    config = configured("voc")
    runs = len(disk.shown.reported_runs(config))
    need = 2 * 1999639040 + (5717 + 5823) * 448 * 448 * 3 + runs * 102530333
    [finding] = disk.check_space(config)
    assert finding.level == level
    assert f"{need / 1e9:,.1f} GB still to be written" in finding.text


def test_size_that_nobody_knows_is_said():
    assert "Flickr.zip of nus" in str(disk._needed(configured("nus"))[1])


@pytest.mark.parametrize(
    ("found", "build", "device", "level", "words"),
    [
        (None, "13.0", "auto", NOTE, "no GPU: training runs on the CPU"),
        (None, "13.0", "cuda", FAIL, "there is no GPU"),
        ((["H200"], "580.1", 13000), "13.0", "auto", OK, "1 x H200, driver 580.1"),
        ((["H200"], "580.1", 13000), "12.8", "auto", OK, "CUDA 12.8"),
        ((["H200"], "550.2", 12040), "13.0", "auto", FAIL, "supports CUDA 12.4 but torch was built for 13.0"),
        ((["H200"], "580.1", 13000), None, "auto", NOTE, "without CUDA"),
        ((["H200"], "580.1", 13000), None, "cuda", FAIL, "without CUDA"),
        ((["H200"], "580.1", 13000), "13.0", "cpu", NOTE, "device is 'cpu'"),
    ],
)  # fmt: skip
def test_gpu_driver_and_build_are_compared(monkeypatch, found, build, device, level, words):
    monkeypatch.setattr(machine, "driver", lambda: found)
    monkeypatch.setattr(machine, "torch_cuda", lambda: build)
    [finding] = machine.check_gpu(configured(device=device))
    assert finding.level == level
    assert words in finding.text


def test_cuda_version_of_torch_is_read_without_importing_it():
    import torch

    assert machine.torch_cuda() == torch.version.cuda
    code = (
        "import sys; import spml.doctor; from spml.desk import machine; machine.torch_cuda();"
        "machine.check_packages(); sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT / "workflow")})
    assert done.returncode == 0


def test_packages_that_differ_from_the_lock_are_named(monkeypatch):
    assert [finding.level for finding in machine.check_packages()] == [OK]
    real = machine._installed
    versions = {"numpy": "1.0", "torch": f"{real('torch')}+cpu", "scipy": None}
    monkeypatch.setattr(machine, "_installed", lambda name: versions.get(name, real(name)))
    [finding] = machine.check_packages()
    assert finding.level == FAIL
    assert "numpy 1.0 instead of" in finding.text
    assert "scipy missing instead of" in finding.text
    assert "torch" not in finding.text


def checkpoint(dataset, method, seed, suffix=".pt"):
    path = Path(CHECKPOINT.format(dataset=dataset, protocol="demo", method=method, seed=seed))
    path = path.with_suffix(suffix)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"0" * 1_000_000)
    return path


def test_needless_checkpoints_are_counted_and_deleted_and_others_kept():
    finished = [checkpoint("digits", "an", 0), checkpoint("digits", "an", 0, ".entries")]
    write_json(run_path("digits", "demo", "an", 0) / "run.json", {})
    # Of a method of another configuration file, it may be, whose runs were killed.
    elsewhere = checkpoint("digits", "my_loss", 0)
    needed = checkpoint("digits", "an", 1)
    # Runs of other selections are not finished: somebody may go on with them.
    unselected = checkpoint("digits", "gr_beta_4", 9)
    foreign = checkpoint("digits", "an", 2).with_name("notes.txt")
    foreign.write_text("mine")
    found = [finding.text for finding in disk.check_checkpoints(configured())]
    assert found[0].startswith("checkpoints: 2.0 MB, 2 files of finished runs")
    assert found[1].startswith("checkpoints: 1.0 MB, 1 files of runs that are not configured")
    assert "deleted 2 files" in disk.delete_needless_checkpoints(configured())
    assert not any(path.exists() for path in finished)
    assert all(path.exists() for path in (elsewhere, needed, unselected, foreign))


def test_checkpoints_are_left_alone_while_snakemake_runs(monkeypatch):
    monkeypatch.setattr(disk, "running_here", lambda: [1])
    with pytest.raises(UserError, match="snakemake runs here"):
        disk.delete_needless_checkpoints(configured())


def test_lock_of_a_snakemake_that_was_killed_would_fail():
    assert [f.level for f in snakemake_state.check_lock()] == [OK]
    lock = Path(".snakemake/locks/0.input.lock")
    lock.parent.mkdir(parents=True)
    lock.touch()
    [finding] = snakemake_state.check_lock()
    assert finding.level == FAIL
    assert "snakemake --unlock" in finding.text


def test_incomplete_files_are_named_as_far_as_they_are_there():
    folder = Path(".snakemake/incomplete")
    folder.mkdir(parents=True)
    Path("results").mkdir()
    Path("results/there.json").touch()
    for name in ("results/there.json", "results/gone.json"):
        (folder / base64.b64encode(name.encode()).decode()).touch()
    (folder / "migration_underway").touch()
    [finding] = snakemake_state.check_incomplete()
    assert finding.level == NOTE
    assert "incomplete: results/there.json, of a job" in finding.text


def test_command_ends_with_1_where_something_would_fail_and_0_elsewhere(monkeypatch, capsys):
    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "spml.doctor", *arguments],
            env={"PYTHONPATH": "workflow"},
            capture_output=True,
            text=True,
        )

    done = run()
    assert done.returncode == 0, done.stdout + done.stderr
    for line in done.stdout.splitlines():
        assert line.startswith(("ok   ", "note "))
    Path("voc.yaml").write_text(json.dumps({"select": {"datasets": ["nus"]}}))
    monkeypatch.setattr("sys.argv", ["doctor", "--configfile", "config/paper.yaml", "voc.yaml"])
    with pytest.raises(SystemExit) as failed:
        doctor.main()
    assert failed.value.code
    assert "FAIL data: nus/Flickr.zip" in capsys.readouterr().out
    Path("typo.yaml").write_text(json.dumps({"select": {"methods": ["nowhere"]}}))
    twice = run("--configfile", "config/paper.yaml", "--configfile", "voc.yaml")
    assert twice.returncode == 1
    assert "error: --configfile is given more than once" in twice.stderr
    wrong = run("--configfile", "typo.yaml")
    assert wrong.returncode == 1
    assert "nowhere" in wrong.stderr
    assert "Traceback" not in wrong.stderr


def test_half_of_the_option_that_deletes_is_refused():
    done = subprocess.run(
        [sys.executable, "-m", "spml.doctor", "--fre"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "--fre" in done.stderr
