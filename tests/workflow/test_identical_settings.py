"""Two names for the same settings are trained once."""

import json
from dataclasses import replace

OWN = """
methods:
  again: {{ title: GR again, extends: gr{more} }}
select: {{ methods: [again], seeds: [0], exhibits: [gr_main_table] }}
"""
SCORES = "results/runs/digits/demo/again/seed0/metrics.json"


def test_second_name_of_a_run_is_a_copy_until_its_settings_differ(checkout):
    (checkout.path / "mine.yaml").write_text(OWN.format(more=""))
    mine = replace(checkout, configuration=(*checkout.configuration, "mine.yaml"))
    mine.snakemake(SCORES)

    first, again = (
        checkout.path / f"results/runs/digits/demo/{name}/seed0" for name in ("gr", "again")
    )
    for path in first.iterdir():
        same = path.read_bytes() == (again / path.name).read_bytes()
        assert same == (path.name not in ("run.json", "run.sha256")), path.name
    record, copied = (json.loads((folder / "run.json").read_text()) for folder in (first, again))
    assert copied["copy_of"] == "digits/demo/gr/seed0"
    assert copied["settings"] == {**record["settings"], "method": "again"}
    assert "copy_of" not in record
    log = checkout.path / "results/logs/train/digits/demo/again/seed0.log"
    assert log.read_text() == "copied from digits/demo/gr/seed0, whose settings are the same\n"

    def trained():
        return {job.split("/")[3] for job in mine.planned(SCORES) if job.startswith("train/")}

    assert not trained()
    checkout.edit("workflow/spml/losses/gr.py", '"""', '"""Edited. ')
    assert trained() == {"gr", "again"}
    checkout.edit("workflow/spml/losses/gr.py", '"""Edited. ', '"""')
    (checkout.path / "mine.yaml").write_text(OWN.format(more=", hyperparameters: { q3: 0.5 }"))
    assert trained() == {"again"}


def test_copy_of_what_was_cut_is_refused(checkout):
    (checkout.path / "mine.yaml").write_text(OWN.format(more=""))
    (checkout.path / "results/runs/digits/demo/gr/seed0/predictions.npz").write_bytes(b"")
    mine = replace(checkout, configuration=(*checkout.configuration, "mine.yaml"))
    mine.snakemake(SCORES, "--rerun-triggers", "input", fails=True)
    log = checkout.path / "results/logs/train/digits/demo/again/seed0.log"
    assert "predictions.npz is not as it was written" in log.read_text()
    assert not (checkout.path / "results/runs/digits/demo/again/seed0/run.json").exists()
