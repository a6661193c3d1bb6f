"""What the two papers claim, one line each, and whether the runs bear it out.

A claim is checked on every dataset that was run. It is supported where all of them bear it out; the
data say so for each.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from spml.exhibits.markdown import Table
from spml.exhibits.papers import PAPERS
from spml.exhibits.records import select_rows
from spml.exhibits.settings import Block, blocks, join_words
from spml.exhibits.table import table_command
from spml.exhibits.tables import NOTHING, format_number
from spml.measures.statistics import Resampled, load_resampled
from spml.plumbing.addresses import comparison_path, exhibit_path
from spml.plumbing.checksums import verified
from spml.plumbing.errors import run_command

LARGE_LOSS = ("ll_r", "ll_ct", "ll_cp")
# What GR Loss could be compared with when it was published.
BEFORE_GR = (
    *("an", "an_ls", "n_ls", "wan", "dw", "epr", "entmin", "focal", "asl", "hill", "splc"),
    *("role", "role_li", "em", "em_apl", *LARGE_LOSS, "ll_r_li"),
    *(f"{name}_boostlu" for name in LARGE_LOSS),
)
# Of the ablation; its other methods have another k or v.
WITHOUT_A_PART = (
    *("gr_without_v", "gr_constant_k", "gr_constant_schedules"),
    *("gr_l2_log", "gr_l2_mae", "gr_l3_log", "gr_l3_mae"),
)
COLUMNS = [
    *(
        "number",
        "paper",
        "claim",
        "source",
        "statistic",
        "dataset",
        "protocol",
        "place",
        "evidence",
    ),
    "verdict",
]
SUPPORTED, NOT_SUPPORTED, NOT_RUN = "supported", "not supported", "not run"


@dataclass(frozen=True)
class Evidence:
    """What one dataset and protocol say to a claim."""

    block: Block
    text: str
    supports: bool


class Findings:
    """What the exhibits that were made hold, by exhibit."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._made = {exhibit["key"]: exhibit for exhibit in settings["exhibits"]}
        self._blocks = blocks(settings)
        self.titles: dict[str, str] = settings["titles"]

    def of(self, exhibit: str) -> Iterator[tuple[Block, pd.DataFrame]]:
        """The data of an exhibit, block by block; nothing where it was not made."""
        if exhibit in self._made:
            data = pd.read_csv(verified(exhibit_path(exhibit, ".csv")))
            for block in self._blocks:
                if len(here := select_rows(data, block)):
                    yield block, here

    def compared(self, exhibit: str) -> Iterator[tuple[Block, Resampled]]:
        """The resampled test mAP of an exhibit's methods, block by block."""
        pairs = self._made.get(exhibit, {"comparisons": []})["comparisons"]
        for block in self._blocks:
            pair = {"dataset": block.dataset, "protocol": block.protocol}
            if pair in pairs:
                path = verified(comparison_path(exhibit, **pair, suffix=".npz"))
                yield block, load_resampled(path)


Check = Callable[[Findings], Iterator[Evidence]]


@dataclass(frozen=True)
class Claim:
    """A sentence for what a paper says, where it says so, and how it is checked."""

    paper: str
    text: str
    source: str
    statistic: str
    check: Check


def _interval_text(difference: float, low: float, high: float) -> str:
    bounds = f"{format_number(low, sign=True)} to {format_number(high, sign=True)}"
    return f"{format_number(difference, sign=True)} ({bounds})"


def _best_higher(
    exhibit: str,
    methods: Sequence[str],
    others: Sequence[str],
    *,
    except_on: Sequence[str] = (),
) -> Check:
    """The best of ``methods`` has its mAP above the best of others that saw the same labels.

    Above means that the whole interval of the difference does; except on some datasets, on which
    the claim is that it does not.
    """

    def check(findings: Findings) -> Iterator[Evidence]:
        for block, found in findings.compared(exhibit):
            mean = {
                name: value
                for name, value in zip(found.methods, found.map, strict=True)
                if block.observation_of(name) == block.observation
            }
            own = [name for name in methods if name in mean]
            rivals = [name for name in others if name in mean]
            if own and rivals:
                first, second = (max(names, key=mean.__getitem__) for names in (own, rivals))
                difference = found.difference(first, second)
                pair = f"{findings.titles[first]} over {findings.titles[second]}"
                text = f"{_interval_text(*difference)} for {pair}"
                yield Evidence(block, text, (difference[1] > 0) != (block.dataset in except_on))

    return check


def _each_higher(exhibit: str, methods: Sequence[str], other: str) -> Check:
    """Each of ``methods`` has its mAP above another's: the interval of the least difference."""

    def check(findings: Findings) -> Iterator[Evidence]:
        for block, found in findings.compared(exhibit):
            here = [name for name in methods if name in found.methods]
            if other not in found.methods or not here:
                continue
            differences = {name: found.difference(name, other) for name in here}
            least = min(here, key=lambda name: differences[name][1])
            difference, low, high = differences[least]
            text = f"{_interval_text(difference, low, high)} for {findings.titles[least]}"
            yield Evidence(block, text, low > 0)

    return check


def _mean_difference(here: pd.DataFrame, column: str, method: str, other: str) -> float | None:
    """Difference of two methods' means in a block of an exhibit; None where one is missing."""
    values = here.set_index("method")[column]
    if method not in values or other not in values:
        return None
    return float(values[method] - values[other])


def _least_difference(
    here: pd.DataFrame, column: str, findings: Findings
) -> tuple[float, str] | None:
    """The least difference of the three Large Loss methods to AN, also as text."""
    found = {
        name: difference
        for name in LARGE_LOSS
        if (difference := _mean_difference(here, column, name, "an")) is not None
    }
    if not found:
        return None
    least = min(found, key=lambda name: found[name])
    return found[least], f"{format_number(found[least], sign=True)} for {findings.titles[least]}"


def _separates_better(findings: Findings) -> Iterator[Evidence]:
    for block, here in findings.of("gr_separation_table"):
        difference = _mean_difference(here, "distance_mean", "gr", "an")
        if difference is not None:
            yield Evidence(block, format_number(difference, 3, sign=True), difference > 0)


def _rate_grows(findings: Findings) -> Iterator[Evidence]:
    for block, here in findings.of("gr_false_negative_rate"):
        end = here[(here["moment"] == "end") & here["rate"].notna()]
        correlation = end["low"].corr(end["rate"], method="spearman")
        yield Evidence(block, format_number(correlation, 2, sign=True), correlation > 0.5)


def _parts_add(findings: Findings) -> Iterator[Evidence]:
    """Of the methods that lack a part; a setting that GR has already on a dataset lacks none."""
    for block, here in findings.of("gr_ablation"):
        lacking = here[here["method"].isin(WITHOUT_A_PART) & here["differs"].notna()]
        losses = -lacking.set_index("method")["difference"].dropna()
        if len(losses):
            least = losses.idxmin()
            text = f"{format_number(losses[least], sign=True)} ({findings.titles[least]})"
            yield Evidence(block, text, bool(losses[least] > 0))


def _memorises_late(findings: Findings) -> Iterator[Evidence]:
    for block, here in findings.of("ll_memorisation_table"):
        share = here.groupby(["entries", "phase"])["share_mean"].mean()
        early, late = share["true_negatives", "warmup"], share["false_negatives", "regular"]
        text = f"{early:.0f} % of true negatives early, {late:.0f} % of false negatives late"
        yield Evidence(block, text, early > 50 and late > 50)


def _large_losses_are_false_negatives(findings: Findings) -> Iterator[Evidence]:
    for block, here in findings.of("ll_corrections"):
        modified = here[(here["method"] == "ll_r") & (here["entries"] > 0)]
        if len(modified):
            first = modified[modified["epoch"] == modified["epoch"].min()]
            share = first["precision"].mean()
            text = f"{share:.0f} % in epoch {first['epoch'].iloc[0]}"
            yield Evidence(block, text, share > 50)


def _groups_higher(findings: Findings) -> Iterator[Evidence]:
    for block, here in findings.of("ll_openimages"):
        totals = here[here["metric"] == "test_map"]
        if (least := _least_difference(totals, "map_mean", findings)) is not None:
            yield Evidence(block, least[1], least[0] > 0)


def _points_better(findings: Findings) -> Iterator[Evidence]:
    for block, here in findings.of("ll_pointing_game"):
        if (least := _least_difference(here, "accuracy_mean", findings)) is not None:
            yield Evidence(block, least[1], least[0] > 0)


def _needs_fewer_labels(findings: Findings) -> Iterator[Evidence]:
    for block, here in findings.of("ll_labelling_efficiency"):
        means = here.pivot(index="percent", columns="method", values="mean").dropna(how="all")
        if {"ll_ct", "an"} <= set(means):
            found = (means["ll_ct"] - means["an"]).dropna()
            text = f"{format_number(found.min(), sign=True)} at {found.idxmin():.0f} % of images"
            yield Evidence(block, text, bool(found.min() > 0))


CLAIMS = (
    Claim(
        "gr",
        "GR Loss scores higher than all other methods that see one positive label an image, but "
        "not on CUB",
        "abstract; later tables",
        "test mAP, difference to the best other (95 % interval)",
        _best_higher("gr_main_table", ["gr"], BEFORE_GR, except_on=["cub"]),
    ),
    Claim(
        "gr",
        "GR Loss scores higher than EM+APL, but not on CUB",
        "abstract; later tables",
        "test mAP, difference (95 % interval)",
        _best_higher("gr_main_table", ["gr"], ["em_apl"], except_on=["cub"]),
    ),
    Claim(
        "gr",
        "Each part of GR Loss (k, v and the robust losses) adds to its score",
        "ablation, of which we found no number",
        "test mAP lost without a part, the least",
        _parts_add,
    ),
    Claim(
        "gr",
        "GR Loss sets false negatives further apart from true negatives than AN does",
        "figure of the distinguishing ability",
        "Wasserstein distance, difference to AN",
        _separates_better,
    ),
    Claim(
        "gr",
        "At the end of training, the share of false negatives among unobserved entries grows with "
        "the predicted probability",
        "figure of FN / (FN + TN)",
        "Spearman correlation over intervals, above 0.5",
        _rate_grows,
    ),
    Claim(
        "ll",
        "A network first fits true negatives and memorises false negatives later",
        "table of memorisation",
        "share of labels whose loss is highest in that phase, above half",
        _memorises_late,
    ),
    Claim(
        "ll",
        "Large losses on unobserved labels are mostly false negatives in early epochs",
        "definition of the method",
        "share of false negatives among what LL-R first rejects, above half",
        _large_losses_are_false_negatives,
    ),
    Claim(
        "ll",
        "LL-R, LL-Ct and LL-Cp score higher than AN with one positive label an image",
        "table of artificial partial labels",
        "test mAP, the least difference (95 % interval)",
        _each_higher("ll_partial_labels", LARGE_LOSS, "an"),
    ),
    Claim(
        "ll",
        "The best of them scores higher than WAN, AN-LS, EPR and ROLE",
        "table of artificial partial labels",
        "test mAP, difference to the best of these (95 % interval)",
        _best_higher("ll_partial_labels", LARGE_LOSS, ("wan", "an_ls", "epr", "role")),
    ),
    Claim(
        "ll",
        "LL-R, LL-Ct and LL-Cp score higher than AN with the partial labels of OpenImages",
        "table of OpenImages",
        "test mAP, the least difference",
        _groups_higher,
    ),
    Claim(
        "ll",
        "Class activation maps of LL-R, LL-Ct and LL-Cp point at objects more often than AN's",
        "table of the pointing game",
        "accuracy of the pointing game, the least difference",
        _points_better,
    ),
    Claim(
        "ll",
        "LL-Ct scores higher than AN with any share of the images",
        "figure of labelling efficiency",
        "test mAP, the least difference",
        _needs_fewer_labels,
    ),
)


def tabulate(settings: dict[str, Any]) -> pd.DataFrame:
    """One row a claim, dataset and protocol; one without a dataset where nothing was run."""
    findings = Findings(settings)
    rows = []
    for number, claim in enumerate(CLAIMS, start=1):
        columns: dict[str, Any] = {
            "number": number,
            "paper": claim.paper,
            "claim": claim.text,
            "source": claim.source,
        }
        columns["statistic"] = claim.statistic
        evidence = list(claim.check(findings))
        for item in evidence:
            verdict = SUPPORTED if item.supports else NOT_SUPPORTED
            place = {"dataset": item.block.dataset, "protocol": item.block.protocol}
            place["place"] = item.block.title
            rows.append({**columns, **place, "evidence": item.text, "verdict": verdict})
        if not evidence:
            rows.append({**columns, "verdict": NOT_RUN})
    return pd.DataFrame(rows, columns=COLUMNS)


def overall(verdicts: Sequence[str]) -> str:
    """One verdict of those of each dataset: the worst, since a claim is made for all."""
    return next(word for word in (NOT_SUPPORTED, SUPPORTED, NOT_RUN) if word in verdicts)


def layout(frame: pd.DataFrame, settings: dict[str, Any]) -> list[Table]:
    """One table a paper, a row a claim; datasets that do not bear it out are marked."""
    tables = []
    for paper, group in frame.groupby("paper", sort=False):
        rows = []
        for _, claim in group.groupby("number"):
            found = [
                f"{row['place']}: {row['evidence']}"
                + (" (not supported)" if row["verdict"] == NOT_SUPPORTED and len(claim) > 1 else "")
                for row in claim.dropna(subset="evidence").to_dict("records")
            ]
            first = claim.iloc[0]
            row = [first["claim"], overall(list(claim["verdict"])), "; ".join(found) or NOTHING]
            rows.append([*row, first["statistic"], first["source"]])
        header = ["Claim", "Verdict", "Evidence", "Statistic", "Stands in"]
        tables.append(Table(header, rows, PAPERS[paper]))
    return tables


def caption(frame: pd.DataFrame, settings: dict[str, Any]) -> str:
    """How many claims hold, and what a verdict means."""
    verdicts = frame.groupby("number")["verdict"].apply(lambda found: overall(list(found)))
    counts = join_words(
        f"{(verdicts == word).sum()} {word}" for word in (SUPPORTED, NOT_SUPPORTED, NOT_RUN)
    )
    places = frame["place"].dropna().unique()
    ran = f"the runs on {join_words(places)}" if len(places) else "no runs"
    return (
        f"What the papers claim, in our words, and what {ran} say to them: {counts}. A claim is "
        "supported where its statistic bears it out on every dataset and protocol that was run; "
        "where an interval is given, all of it has to. Intervals are paired bootstraps over seeds "
        "and test images."
    )


main = table_command(__doc__, tabulate, layout, caption)

if __name__ == "__main__":
    run_command(main)
