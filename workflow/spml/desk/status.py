"""How far a reproduction has come, from the configuration and the files that are there."""

from collections.abc import Mapping, Sequence
from statistics import mean, stdev
from typing import Any

from spml.exhibits.markdown import Table
from spml.planning import configuration, shown
from spml.plumbing.addresses import checkpoint_path, exhibit_path, run_path
from spml.plumbing.errors import UserError
from spml.plumbing.files import read_json

MISSING_SHOWN = 5


def _finished(run: configuration.Run) -> bool:
    return (run_path(*run) / "metrics.json").is_file()


def _exhibits(config: Mapping[str, Any]) -> list[str]:
    """The selected exhibits; a UserError where a name is not defined, which Snakemake explains."""
    try:
        shown.reported_runs(config)
        return list(config["select"]["exhibits"])
    except KeyError as error:
        raise UserError(
            f"the configuration does not define {error}; snakemake -n says where it is named"
        ) from None


def count_runs(config: Mapping[str, Any], exhibit: str) -> tuple[int, int]:
    """How many runs of an exhibit are finished, and how many it shows."""
    runs = shown.exhibit_runs(config, exhibit)
    return sum(map(_finished, runs)), len(runs)


def why_left_out(config: Mapping[str, Any], exhibit: str) -> str:
    """Why an exhibit shows nothing of what is selected, and what to do."""
    definition = config["exhibits"][exhibit]
    if "exhibits" in definition and shown.exhibit_pairs(config, exhibit):
        others = ", ".join(definition["exhibits"])
        return f"it is made from others, none of which is selected; select one of them: {others}"
    tied = [
        f"{kind} {', '.join(definition[kind])}"
        for kind in ("datasets", "protocols")
        if kind in definition
    ]
    return (
        f"it shows {' and '.join(tied) or 'what is selected'} alone, and the configuration selects "
        "none of these together; select them, or name the file that does: --configfile FILE"
    )


def _state(config: Mapping[str, Any], exhibit: str) -> list[str]:
    if not shown.is_shown(config, exhibit):
        return [exhibit, "–", "left out, since it shows nothing of what is selected"]
    done, needed = count_runs(config, exhibit)
    made = any(exhibit_path(exhibit, suffix).is_file() for suffix in (".md", ".png"))
    if done < needed:
        state = f"waits for {needed - done} run{'s' if needed - done > 1 else ''}"
    else:
        state = "made" if made else "can be made"
    return [exhibit, f"{done}/{needed}" if needed else "–", state]


def _format_scores(scores: Sequence[float]) -> str:
    # The exhibits' own functions for this are not used: they import pandas.
    deviation = f" ± {stdev(scores):.1f}" if len(scores) > 1 else ""
    return f"{mean(scores):.1f}{deviation}"


def _results(config: Mapping[str, Any], runs: Sequence[configuration.Run]) -> list[Table]:
    """Test mAP so far: a table for each dataset and protocol of which a run is finished."""
    groups: dict[tuple[str, str], dict[str, list[configuration.Run]]] = {}
    for run in runs:
        place = groups.setdefault((run.dataset, run.protocol), {})
        place.setdefault(run.method, []).append(run)
    tables = []
    for (dataset, protocol), methods in groups.items():
        rows = []
        for method, all_runs in methods.items():
            finished = [run for run in all_runs if _finished(run)]
            if finished:
                scores = [
                    read_json(run_path(*run) / "metrics.json")["test"]["map"] for run in finished
                ]
                title = configuration.method_title(config, method)
                rows.append([title, _format_scores(scores), f"{len(finished)}/{len(all_runs)}"])
        if rows:
            titles = (
                config["datasets"][dataset]["title"],
                config["protocols"][protocol]["title"],
            )
            header = ["Method", "Test mAP (%)", "Runs"]
            tables.append(Table(header, rows, f"So far: {', '.join(titles)}"))
    return tables


def describe(config: Mapping[str, Any], exhibit: str | None = None) -> list[Table]:
    """The state of each selected exhibit, or of one, and the results so far of its runs."""
    exhibits = _exhibits(config)
    if exhibit is not None:
        if exhibit not in config["exhibits"]:
            known = ", ".join(config["exhibits"])
            raise UserError(f"there is no exhibit {exhibit!r}; there are: {known}")
        exhibits = [exhibit]
    runs = dict.fromkeys(run for name in exhibits for run in shown.exhibit_runs(config, name))
    states = Table(["Exhibit", "Runs", "State"], [_state(config, name) for name in exhibits])
    return [states, *_results(config, list(runs))]


def summarise(config: Mapping[str, Any], files: Sequence[str]) -> str:
    """How many runs there are of those that are selected, which are missing, and what to do."""
    runs = shown.reported_runs(config)
    missing = [run for run in runs if not _finished(run)]
    if not missing:
        return f"All {len(runs)} runs are finished."
    begun = sum(checkpoint_path(*run).is_file() for run in missing)
    names = [str(run_path(*run)) for run in missing[:MISSING_SHOWN]]
    if len(missing) > MISSING_SHOWN:
        names.append(f"and {len(missing) - MISSING_SHOWN} more")
    given = f" --configfile {' '.join(files)}" if files else ""
    return "\n".join(
        [
            f"{len(runs) - len(missing)} of {len(runs)} runs are finished, {len(missing)} are "
            f"missing{f', {begun} of which have begun' if begun else ''}:",
            *(f"  {name}" for name in names),
            "Go on with: snakemake --workflow-profile workflow/profiles/default --cores all"
            + given,
        ]
    )
