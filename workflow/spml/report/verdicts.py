"""What the front page says of published numbers and claims, from the data of two exhibits."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from spml.exhibits.settings import join_words
from spml.exhibits.verdicts import CLAIMED, NOT_RUN, UNKNOWN, WITHIN, overall


class Claim(NamedTuple):
    """A claim with one verdict: on its paper's datasets, or where none of them was run elsewhere.

    where: the datasets that the verdict is of; empty where nothing was run. own: whether these are
    the paper's.
    """

    paper: str
    text: str
    verdict: str
    where: str
    own: bool
    evidence: str
    address: str

    @property
    def kind(self) -> str:
        """The verdict as one word, for its colour."""
        return self.verdict.replace(" ", "-")


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def scope_phrase(path: Path | None, datasets: Sequence[str], seeds: int, *, synthetic: bool) -> str:
    """What was run, and how many of the published numbers that tests.

    path: the data of ``extra_reproduction_summary``, where it is shown. synthetic: whether all
    datasets are composed.
    """
    ran = join_words(datasets) if datasets else "No dataset"
    if path is None:
        told = "not compared with published numbers here"
        counts = {NOT_RUN: 0}
        done = total = 0
    else:
        verdicts = pd.read_csv(path)["verdict"]
        counts = {NOT_RUN: 0, **verdicts.value_counts().to_dict()}
        total = len(verdicts)
        done = total - counts[NOT_RUN]
        told = f"none of the {total} published numbers tested"
    if not done:
        what = f"Demo on synthetic {ran[0].lower()}{ran[1:]}" if synthetic else ran
        return f"{what}, {_plural(seeds, 'seed')}: {told}"
    text = (
        f"{ran}, {_plural(seeds, 'seed')}: {counts.get(WITHIN, 0)} of {done} published numbers "
        "within their uncertainty"
    )
    if counts.get(UNKNOWN):
        text += f", that of {counts[UNKNOWN]} unknown"
    return text + (f"; {counts[NOT_RUN]} more not tested" if counts[NOT_RUN] else "")


def read_claims(path: Path, address: Callable[[str], str]) -> list[Claim]:
    """Each claim with its verdict, from the data of ``extra_claims``.

    address: of an exhibit in the site.
    """
    found = []
    data = pd.read_csv(path, keep_default_na=False, na_values=[""])
    for _, claim in data.groupby("number"):
        shown = claim[claim["dataset"].notna()]
        own = shown[shown["of_the_paper"].astype(bool)]
        decisive = own if len(own) else shown
        first = claim.iloc[0]
        found.append(
            Claim(
                paper=first["paper"],
                text=first["claim"],
                verdict=overall(list(decisive["verdict"])),
                where=join_words(dict.fromkeys(decisive["place"])) if len(decisive) else "",
                own=len(own) > 0,
                evidence="; ".join(
                    f"{row['place']}: {row['evidence']}" for row in decisive.to_dict("records")
                ),
                address=address(first["exhibit"] if len(decisive) else "extra_claims"),
            )
        )
    return found


def claims_phrase(claims: Sequence[Claim]) -> str:
    """How many claims have each verdict, on the papers' own datasets and elsewhere."""

    def counts(found: Sequence[Claim]) -> str:
        verdicts = [claim.verdict for claim in found]
        return join_words(f"{verdicts.count(word)} {word}" for word in CLAIMED if word in verdicts)

    own = [claim for claim in claims if claim.own]
    elsewhere = [claim for claim in claims if claim.where and not claim.own]
    text = f"On the papers' own datasets: {counts(own) if own else NOT_RUN}."
    if elsewhere:
        places = join_words(dict.fromkeys(claim.where for claim in elsewhere))
        text += (
            f" On {places}, which says how the methods do there and not whether a paper is right: "
            f"{counts(elsewhere)}."
        )
    return text
