"""Settings that were changed where Snakemake is told to overlook it."""

PROFILE = "rerun-triggers: mtime\n"
WARNING = "leave out: code, input, params"
GR = "results/runs/digits/demo/gr/seed0 was made with hyperparameters.q3 = "


def test_new_settings_are_never_shown_beside_old_numbers(checkout):
    """A profile of the user's own looks at times alone, so that runs count as up to date."""
    folder = checkout.path / "mine"
    folder.mkdir()
    (folder / "profile.yaml").write_text(PROFILE)
    table = checkout.path / "results/exhibits/gr/hyperparameters.csv"
    pages = checkout.path / "results/report"
    before = {path: path.read_bytes() for path in pages.glob("**/*.html")}

    checkout.edit("config/methods.yaml", "q3: 1", "q3: 1.25")
    # The report is planned, since a page of it quotes the file, and no run.
    planned = checkout.planned("--profile", "mine")
    assert "report" in planned
    assert not [job for job in planned if job.startswith(("train", "evaluate"))]
    assert WARNING in checkout.snakemake("--profile", "mine", fails=True)
    assert GR in (checkout.path / "results/logs/report.log").read_text()
    for path in pages.glob("**/*.html"):
        assert path.read_bytes() == before[path]

    table.unlink()
    checkout.snakemake("gr_hyperparameters", "--profile", "mine", fails=True)
    assert GR in (checkout.path / "results/logs/exhibits/gr_hyperparameters.log").read_text()
    assert not table.exists()
