"""What the two papers claim, one line each, and whether the runs bear it out.

A claim is about the datasets that its paper shows it on, and the verdict in front is of those
alone; what other datasets say to it stands beside. The interval of its statistic decides: all of it
has to bear the claim out, or to speak against it, or the runs do not tell.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from spml.exhibits.markdown import Table
from spml.exhibits.papers import PAPERS
from spml.exhibits.records import select_rows
from spml.exhibits.settings import Block, blocks, join_words
from spml.exhibits.table import table_command
from spml.exhibits.tables import NOTHING, format_interval, format_number
from spml.exhibits.verdicts import (
    CLAIMED,
    CONTRADICTED,
    NOT_RUN,
    SUPPORTED,
    judge,
    overall,
)
from spml.measures.statistics import (
    Resampled,
    confidence_interval,
    load_resampled,
    normal_deviations,
)
from spml.plumbing.addresses import comparison_path, exhibit_path
from spml.plumbing.checksums import verified
from spml.plumbing.errors import run_command

LARGE_LOSS = ("ll_r", "ll_ct", "ll_cp")
FOUR = ("voc", "coco", "nus", "cub")
# What GR Loss could be compared with when it was published.
BEFORE_GR = (
    *("an", "an_ls", "n_ls", "wan", "dw", "epr", "entmin", "focal", "asl", "hill", "splc"),
    *("role", "role_li", "em", "em_apl", *LARGE_LOSS, "ll_r_li"),
    *(f"{name}_boostlu" for name in LARGE_LOSS),
    *("ranking", "p_asl", "p_asl_selective", "two_way"),
)
# Of the ablation; its other methods have another k or v.
WITHOUT_A_PART = (
    *("gr_without_v", "gr_constant_k", "gr_constant_schedules"),
    *("gr_l2_log", "gr_l2_mae", "gr_l3_log", "gr_l3_mae"),
)
MOST = 0.8  # what we take "the vast majority" to be
COLUMNS = [
    *("number", "paper", "claim", "source", "statistic", "exhibit", "dataset", "protocol", "place"),
    *("of_the_paper", "evidence", "verdict"),
]


class Measured(NamedTuple):
    """A number with its 95 % interval; one whose ends are NaN has none."""

    value: float
    low: float
    high: float

    def text(self, decimals: int = 1, *, sign: bool = True) -> str:
        value = format_number(self.value, decimals, sign=sign)
        if np.isnan(self.low):
            return f"{value} (no interval)"
        return f"{value} ({format_interval(self.low, self.high, decimals, sign=sign)})"


@dataclass(frozen=True)
class Evidence:
    """What one dataset and protocol say to a claim."""

    block: Block
    text: str
    verdict: str


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

    def note(self, exhibit: str) -> str:
        """What to say of evidence of an exhibit whose methods have one run each."""
        return ", one seed" if len(self._made[exhibit]["seeds"]) == 1 else ""


Check = Callable[[Findings, str], Iterator[Evidence]]


@dataclass(frozen=True)
class Claim:
    """A sentence for what a paper says, where it says so, of which datasets, and its check.

    exhibit: the one whose data or comparisons the check reads.
    """

    paper: str
    text: str
    source: str
    datasets: tuple[str, ...]
    statistic: str
    exhibit: str
    check: Check


def _same_labels(block: Block, found: Resampled) -> dict[str, float]:
    """Mean test mAP of the methods that saw the labels of the protocol."""
    return {
        name: value
        for name, value in zip(found.methods, found.map.tolist(), strict=True)
        if block.observation_of(name) == block.observation
    }


def _higher_than_most(method: str, others: Sequence[str]) -> Check:
    """A method has its mAP above most of others that saw the same labels, each by its interval."""

    def check(findings: Findings, exhibit: str) -> Iterator[Evidence]:
        for block, found in findings.compared(exhibit):
            rivals = [name for name in _same_labels(block, found) if name in others]
            if method not in found.methods or not rivals:
                continue
            verdicts = [judge(*found.difference(method, name)[1:]) for name in rivals]
            higher, lower = verdicts.count(SUPPORTED), verdicts.count(CONTRADICTED)
            text = f"higher than {higher} of {len(rivals)}, lower than {lower}"
            if open_ones := len(rivals) - higher - lower:
                text += f", {open_ones} not told apart"
            wanted = MOST * len(rivals)
            most = judge(higher - wanted, len(rivals) - lower - wanted, -1e-9)
            yield Evidence(block, text, most)

    return check


def _best_higher(
    methods: Sequence[str], others: Sequence[str], *, except_on: Sequence[str] = ()
) -> Check:
    """The best of ``methods`` has its mAP above the best of others that saw the same labels.

    Except on some datasets, or on ``dataset/protocol``, where the claim is that it does not.
    """

    def check(findings: Findings, exhibit: str) -> Iterator[Evidence]:
        for block, found in findings.compared(exhibit):
            mean = _same_labels(block, found)
            own, rivals = ([name for name in names if name in mean] for names in (methods, others))
            if own and rivals:
                first, second = (max(names, key=mean.__getitem__) for names in (own, rivals))
                measured = Measured(*found.difference(first, second))
                pair = f"{findings.titles[first]} over {findings.titles[second]}"
                text = f"{measured.text()} for {pair}"
                if {block.dataset, f"{block.dataset}/{block.protocol}"} & set(except_on):
                    verdict = judge(-measured.high, -measured.low)
                else:
                    verdict = judge(measured.low, measured.high)
                yield Evidence(block, text, verdict)

    return check


def _each(block: Block, found: Mapping[str, Measured], findings: Findings) -> Iterator[Evidence]:
    """That each difference lies above zero; the evidence is the least of them."""
    if found:
        least = min(found, key=lambda name: found[name].value)
        text = f"{found[least].text()} for {findings.titles[least]}"
        # One without an interval (NaN) leaves the claim open, unless another contradicts it.
        low = float(np.min([item.low for item in found.values()]))
        high = float(np.fmin.reduce([item.high for item in found.values()]))
        yield Evidence(block, text, judge(low, high))


def _each_higher(methods: Sequence[str], other: str) -> Check:
    """Each of ``methods`` has its mAP above another's."""

    def check(findings: Findings, exhibit: str) -> Iterator[Evidence]:
        for block, found in findings.compared(exhibit):
            if other in found.methods:
                here = [name for name in methods if name in found.methods]
                differences = {name: Measured(*found.difference(name, other)) for name in here}
                yield from _each(block, differences, findings)

    return check


def _differences(here: pd.DataFrame, methods: Sequence[str]) -> dict[str, Measured]:
    """The differences to its reference that an exhibit's data hold of some methods."""
    rows = here[here["method"].isin(methods) & here["difference"].notna()]
    columns = ["method", "difference", "difference_low", "difference_high"]
    return {method: Measured(*found) for method, *found in rows[columns].itertuples(index=False)}


def _separates_better(findings: Findings, exhibit: str) -> Iterator[Evidence]:
    for block, here in findings.of(exhibit):
        for measured in _differences(here, ["gr"]).values():
            yield Evidence(block, measured.text(3), judge(measured.low, measured.high))


def _rate_grows(findings: Findings, exhibit: str) -> Iterator[Evidence]:
    for block, here in findings.of(exhibit):
        end = here[(here["moment"] == "end") & (here["method"] == "gr")]
        if len(end):
            measured = Measured(*end[["area", "area_low", "area_high"]].iloc[0])
            verdict = judge(measured.low, measured.high, above=0.5)
            yield Evidence(block, measured.text(3, sign=False), verdict)


def _parts_add(findings: Findings, exhibit: str) -> Iterator[Evidence]:
    """Of the methods that lack a part; a setting that GR has already on a dataset lacks none."""
    for block, here in findings.of(exhibit):
        lost = {
            name: Measured(-found.value, -found.high, -found.low)
            for name, found in _differences(here[here["differs"].notna()], WITHOUT_A_PART).items()
        }
        yield from _each(block, lost, findings)


def _memorises_late(findings: Findings, exhibit: str) -> Iterator[Evidence]:
    for block, here in findings.of(exhibit):
        columns = ["share_mean", "share_low", "share_high"]
        share = here.groupby(["entries", "phase"])[columns].mean()
        early = Measured(*share.loc[("true_negatives", "warmup")])
        late = Measured(*share.loc[("false_negatives", "regular")])
        text = (
            f"{early.text(0, sign=False)} % of true negatives early, "
            f"{late.text(0, sign=False)} % of false negatives late"
        )
        verdict = judge(min(early.low, late.low), min(early.high, late.high), above=50)
        yield Evidence(block, text, verdict)


def _large_losses_are_false_negatives(findings: Findings, exhibit: str) -> Iterator[Evidence]:
    for block, here in findings.of(exhibit):
        modified = here[(here["method"] == "ll_r") & (here["entries"] > 0)]
        if len(modified):
            first = modified[modified["epoch"] == modified["epoch"].min()]
            share = first["precision"].mean() / 100
            # All seeds see the same entries: several runs know no more of them than one.
            error = 100 * (share * (1 - share) / first["entries"].mean()) ** 0.5
            ends = confidence_interval(first["precision"].to_numpy(), normal_deviations(error))
            measured = Measured(100 * share, max(ends[0], 0.0), min(ends[1], 100.0))
            text = f"{measured.text(0, sign=False)} % in epoch {first['epoch'].iloc[0]}"
            yield Evidence(block, text, judge(measured.low, measured.high, above=50))


def _groups_higher(findings: Findings, exhibit: str) -> Iterator[Evidence]:
    for block, here in findings.of(exhibit):
        totals = here[here["metric"] == "test_map"]
        yield from _each(block, _differences(totals, LARGE_LOSS), findings)


def _points_better(findings: Findings, exhibit: str) -> Iterator[Evidence]:
    for block, here in findings.of(exhibit):
        yield from _each(block, _differences(here, LARGE_LOSS), findings)


def _needs_fewer_labels(findings: Findings, exhibit: str) -> Iterator[Evidence]:
    for block, here in findings.of(exhibit):
        points = here[(here["method"] == "ll_ct") & here["difference"].notna()]
        if len(points):
            least = points.loc[points["difference"].idxmin()]
            measured = Measured(*least[["difference", "difference_low", "difference_high"]])
            text = f"{measured.text()} at {least['percent']:.0f} % of images"
            verdict = judge(points["difference_low"].min(), points["difference_high"].min())
            yield Evidence(block, text, verdict)


CLAIMS = (
    Claim(
        "gr",
        "GR Loss scores higher than the vast majority of other methods that see one positive label "
        "an image",
        "as its abstract says",
        FOUR,
        f"number of methods that it beats, each by the whole 95 % interval of the difference in "
        f"test mAP; at least {100 * MOST:.0f} % is the vast majority",
        "gr_main_table",
        _higher_than_most("gr", BEFORE_GR),
    ),
    Claim(
        "gr",
        "GR Loss scores higher than EM+APL, but not on CUB",
        "later papers that reprint its row (AEVLP, ICCV 2025); its own table was not found by us",
        FOUR,
        "test mAP, difference (95 % interval)",
        "gr_main_table",
        _best_higher(["gr"], ["em_apl"], except_on=["cub"]),
    ),
    Claim(
        "gr",
        "Each part of GR Loss (k, v and the robust losses) adds to its score",
        "summaries of the paper name its ablation; no number of it was found by us",
        FOUR,
        "test mAP lost without a part, the least (95 % interval)",
        "gr_ablation",
        _parts_add,
    ),
    Claim(
        "gr",
        "GR Loss sets false negatives further apart from true negatives than AN does",
        "the released code measures their distance; what the paper says of it was not found by us",
        FOUR,
        "area under the ROC curve of false against true negatives, difference to AN (95 % "
        "interval)",
        "gr_separation_table",
        _separates_better,
    ),
    Claim(
        "gr",
        "At the end of training, false negatives are predicted to be more probable than true "
        "negatives, so that their share grows with the probability",
        "the released code plots FN / (FN + TN); what the paper says of it was not found by us",
        FOUR,
        "area under the ROC curve of false against true negatives, above 0.5 (95 % interval)",
        "gr_false_negative_rate",
        _rate_grows,
    ),
    Claim(
        "ll",
        "A network first fits true negatives and memorises false negatives later",
        "as its abstract says; table of memorisation",
        ("voc", "coco"),
        "share of labels whose loss is highest in that phase, above half (95 % interval)",
        "ll_memorisation_table",
        _memorises_late,
    ),
    Claim(
        "ll",
        "Large losses on unobserved labels are mostly false negatives in early epochs",
        "what the method rests on; no number of it was found by us",
        FOUR,
        "share of false negatives among what LL-R first rejects, above half (95 % interval)",
        "ll_corrections",
        _large_losses_are_false_negatives,
    ),
    Claim(
        "ll",
        "LL-R, LL-Ct and LL-Cp score higher than AN with one positive label an image",
        "table of artificial partial labels",
        FOUR,
        "test mAP, the least difference (95 % interval)",
        "ll_partial_labels",
        _each_higher(LARGE_LOSS, "an"),
    ),
    Claim(
        "ll",
        "The best of them scores higher than earlier methods, WAN, AN-LS, EPR and ROLE, but not on "
        "NUS with LinearInit",
        "as its abstract says; table of artificial partial labels, which has ROLE ahead there",
        FOUR,
        "test mAP, difference to the best of these (95 % interval)",
        "ll_partial_labels",
        _best_higher(LARGE_LOSS, ("wan", "an_ls", "epr", "role"), except_on=["nus/ll_linear_init"]),
    ),
    Claim(
        "ll",
        "LL-R, LL-Ct and LL-Cp score higher than AN with the partial labels of OpenImages",
        "as its abstract says; table of OpenImages",
        ("openimages",),
        "test mAP, the least difference (95 % interval over seeds alone)",
        "ll_openimages",
        _groups_higher,
    ),
    Claim(
        "ll",
        "Class activation maps of LL-R, LL-Ct and LL-Cp point at objects more often than AN's",
        "table of the pointing game",
        ("voc", "coco"),
        "accuracy of the pointing game, the least difference (95 % interval)",
        "ll_pointing_game",
        _points_better,
    ),
    Claim(
        "ll",
        "LL-Ct scores higher than AN with any share of the images",
        "figure of labelling efficiency",
        ("coco",),
        "test mAP, the least difference (95 % interval)",
        "ll_labelling_efficiency",
        _needs_fewer_labels,
    ),
)


def tabulate(settings: dict[str, Any]) -> pd.DataFrame:
    """One row a claim, dataset and protocol; one without a dataset where nothing was run.

    ``of_the_paper`` says whether the paper makes the claim about that dataset; ``exhibit`` is what
    the evidence is from.
    """
    findings = Findings(settings)
    rows = []
    for number, claim in enumerate(CLAIMS, start=1):
        columns: dict[str, Any] = {
            "number": number,
            "paper": claim.paper,
            "claim": claim.text,
            "source": claim.source,
            "statistic": claim.statistic,
            "exhibit": claim.exhibit,
        }
        evidence = list(claim.check(findings, claim.exhibit))
        rows += [
            {
                **columns,
                "dataset": item.block.dataset,
                "protocol": item.block.protocol,
                "place": item.block.title,
                "of_the_paper": item.block.dataset in claim.datasets,
                "evidence": item.text + findings.note(claim.exhibit),
                "verdict": item.verdict,
            }
            for item in evidence
        ]
        if not evidence:
            rows.append({**columns, "verdict": NOT_RUN})
    return pd.DataFrame(rows, columns=COLUMNS)


def _places(claim: pd.DataFrame, *, of_the_paper: bool) -> pd.DataFrame:
    """The rows of a claim that are of its paper's datasets, or of others."""
    return claim[claim["of_the_paper"].eq(of_the_paper) & claim["dataset"].notna()]


def _verdict(claim: pd.DataFrame, number: int, titles: Mapping[str, str]) -> str:
    """The verdict on the paper's own datasets, and on which of them where they are not all."""
    own = _places(claim, of_the_paper=True)
    word = overall(list(own["verdict"]))
    datasets = CLAIMS[number - 1].datasets
    missing = [name for name in datasets if name not in set(own["dataset"])]
    if word == NOT_RUN:
        return f"{NOT_RUN} on {join_words(titles.get(name, name) for name in datasets)}"
    if missing:
        ran = join_words(dict.fromkeys(own["place"]))
        lacking = join_words(titles.get(name, name) for name in missing)
        return f"{word} on {ran}, {NOT_RUN} on {lacking}"
    return word


def layout(frame: pd.DataFrame, settings: dict[str, Any]) -> list[Table]:
    """One table a paper, a row a claim; each piece of evidence with its own verdict."""
    tables = []
    for paper, group in frame.groupby("paper", sort=False):
        rows = []
        for number, claim in group.groupby("number"):
            found = [
                f"{row['place']}: {row['evidence']}, {row['verdict']}"
                for row in claim.dropna(subset="evidence").to_dict("records")
            ]
            first = claim.iloc[0]
            verdict = _verdict(claim, int(number), settings["dataset_titles"])
            row = [first["claim"], verdict, "; ".join(found) or NOTHING]
            rows.append([*row, first["statistic"], first["source"]])
        header = ["Claim", "On the paper's own datasets", "Evidence", "Statistic", "Stands in"]
        tables.append(Table(header, rows, PAPERS[paper]))
    return tables


def _counts(verdicts: Sequence[str]) -> str:
    found = list(verdicts)
    return join_words(f"{found.count(word)} {word}" for word in CLAIMED if word in found)


def caption(frame: pd.DataFrame, settings: dict[str, Any]) -> str:
    """How many claims hold, where, and what a verdict means."""
    groups = [claim for _, claim in frame.groupby("number")]
    own = [overall(list(_places(claim, of_the_paper=True)["verdict"])) for claim in groups]
    others = pd.concat([_places(claim, of_the_paper=False) for claim in groups])
    text = (
        f"What the papers claim, in our words. On the papers' own datasets, of {len(groups)} "
        f"claims: {_counts(own)}. "
    )
    if len(others):
        each = others.groupby("number")["verdict"].apply(lambda words: overall(list(words)))
        places = join_words(dict.fromkeys(others["place"]))
        text += (
            f"Elsewhere, on {places}, of {len(each)} claims: {_counts(list(each))}; that says how "
            "the methods do there, not whether a paper is right. "
        )
    return text + (
        "The 95 % interval of the statistic decides: a claim is supported where all of it bears "
        "the claim out, contradicted where all of it speaks against it, and inconclusive "
        "otherwise; of several datasets the least favourable counts. Intervals are over seeds and "
        "images, of exhibits with one seed over images alone; those of shares of labels are over "
        "labels, as if those of one image were independent; none covers another draw of the "
        "observed labels."
    )


main = table_command(__doc__, tabulate, layout, caption)

if __name__ == "__main__":
    run_command(main)
