"""What the settings of an exhibit say: which runs it shows, and how that reads in a caption."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from spml.plumbing.errors import UserError


class Block(NamedTuple):
    """One dataset under one protocol: a part of a table, a row of panels in a figure.

    frozen: its runs train a head alone, on features of the backbone. methods: those that are shown
    here; None where they are those of the exhibit.
    """

    dataset: str
    protocol: str
    title: str
    observation: str
    observations: dict[str, str]
    known_shares: Mapping[str, float] = MappingProxyType({})
    frozen: bool = False
    methods: tuple[str, ...] | None = None

    def shows(self, method: str) -> bool:
        """Whether an exhibit that shows a method shows it here."""
        return self.methods is None or method in self.methods

    def observation_of(self, method: str) -> str:
        """The observation that a method trains on."""
        return self.observations.get(method, self.observation)


def blocks(settings: dict[str, Any]) -> list[Block]:
    """The blocks of an exhibit; the title names the protocol only where there are several."""
    several = len({block["protocol"] for block in settings["blocks"]}) > 1
    return [
        Block(
            dataset=block["dataset"],
            protocol=block["protocol"],
            title=f"{block['dataset_title']}, {block['protocol_title']}"
            if several
            else block["dataset_title"],
            observation=block["observation"],
            observations=block["observations"],
            frozen=block.get("frozen", False),
            known_shares=block.get("known_shares", {}),
            methods=tuple(block["methods"]) if "methods" in block else None,
        )
        for block in settings["blocks"]
    ]


def method_titles(settings: dict[str, Any]) -> dict[str, str]:
    """Title of each method shown, in order."""
    return {method["name"]: method["title"] for method in settings["methods"]}


def curve_title(title: str) -> str:
    """Title of the curve that a method is a point of: ``LL-R`` of the method ``LL-R, 0.2 %``."""
    return title.partition(",")[0]


def reference_method(settings: dict[str, Any]) -> str:
    """The method that the others are compared with, which has to be shown itself."""
    reference: str = settings["reference"]
    if reference not in method_titles(settings):
        raise UserError(
            f"{settings['paper']}_{settings['name']} compares with {reference}, which is not among "
            "its methods"
        )
    return reference


def join_words(words: Iterable[object]) -> str:
    """``a, b and c``."""
    *first, last = [str(word) for word in words]
    return f"{', '.join(first)} and {last}" if first else last


def seeds_phrase(settings: dict[str, Any], several: str = "") -> str:
    """How many runs of each method, and with which seeds.

    several: what goes before it where there are several, such as ``mean of``.
    """
    seeds = settings["seeds"]
    before = f"{several} " if several and len(seeds) > 1 else ""
    noun = "run" if len(seeds) == 1 else "runs"
    listed = "seed" if len(seeds) == 1 else "seeds"
    return f"{before}{len(seeds)} {noun} per method ({listed} {join_words(seeds)})"


def interval_phrase(
    settings: dict[str, Any], images: str = "test images", subject: str = "95 % intervals"
) -> str:
    """What the 95 % intervals of an exhibit are over, and what they leave out."""
    count = len(settings["seeds"])
    if count == 1:
        return (
            f"{subject} are over {images} alone, since each method has one run: none covers other "
            "seeds, nor another draw of the observed labels."
        )
    freedom = f"{count - 1} degree{'' if count == 2 else 's'} of freedom"
    return (
        f"{subject} are over seeds (Student's t, {freedom}) and {images}; none covers another draw "
        "of the observed labels, which all runs share."
    )


def _count(number: int | str, kind: str) -> str:
    if number == "all":
        return f"all {kind}s"
    if number == 0:
        return f"no {kind}"
    return f"{number} {kind}{'' if number == 1 else 's'}"


def _shown(block: dict[str, Any]) -> str:
    """Which labels of a block training sees."""
    if "known" in block:
        return f"{100 * block['known']:g} % of all labels observed"
    if "given" in block:
        return "labels observed as the dataset gives them"
    if "bias" in block:
        return f"1 positive observed per training image, biased by {block['bias']}"
    counts = (_count(block[f"{kind}s"], kind) for kind in ("positive", "negative"))
    return f"{' and '.join(counts)} observed per training image"


def data_phrase(settings: dict[str, Any]) -> str:
    """Which datasets and protocols are shown, and which labels training sees."""
    datasets = dict.fromkeys(block["dataset_title"] for block in settings["blocks"])
    protocols: dict[str, dict[str, None]] = {}
    for block in settings["blocks"]:
        how = ", linear heads on frozen features" if block.get("frozen") else ""
        protocols.setdefault(_shown(block), {})[f"{block['protocol_title']}{how}"] = None
    seen = join_words(f"{join_words(titles)} ({labels})" for labels, titles in protocols.items())
    several = sum(len(titles) for titles in protocols.values()) > 1
    return (
        f"Dataset{'s' if len(datasets) > 1 else ''}: {join_words(datasets)}; "
        f"protocol{'s' if several else ''}: {seen}."
    )


def selection_phrase(settings: dict[str, Any]) -> str:
    """By which validation labels the epoch of a run was selected."""
    words = {"clean": "the true validation labels", "observed": "the observed validation labels"}
    criteria = {name for block in settings["blocks"] for name in block["selection"]}
    chosen = join_words(words[name] for name in sorted(criteria))
    return f"the epoch with the best validation mAP on {chosen}"
