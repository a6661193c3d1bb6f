"""Training pictures whose unobserved labels a loss corrected, and when it first did so."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spml.data.labels import load_labels
from spml.data.observation import load_observation
from spml.data.packed import load_packed
from spml.exhibits.figure import figure_command
from spml.exhibits.records import block_columns, read_recorded, select_rows
from spml.exhibits.settings import Block, blocks, data_phrase, join_words, method_titles
from spml.exhibits.style import BLACK, FALSE_NEGATIVE, TEXT_WIDTH, TRUE_NEGATIVE, new_figure
from spml.plumbing.addresses import labels_path, observed_path, packed_path
from spml.plumbing.errors import UserError, run_command

PICTURES, COLUMNS = 8, 4
LINES = 3  # corrected labels that are written below a picture; how many more there are comes next
LINE_HEIGHT = 10  # points
RIGHT, WRONG = "\N{CHECK MARK}", "\N{BALLOT X}"


def first_corrections(modified: np.ndarray, classes: int) -> np.ndarray:
    """Epoch, counted from 1, in which each label was first modified; 0 where it never was.

    modified: (epochs, N, ceil(C / 8)) uint8, packed bits. Returns (N, C) int16.
    """
    first = np.zeros((modified.shape[1], classes), dtype=np.int16)
    for epoch, packed in enumerate(modified, start=1):
        now = np.unpackbits(packed, axis=1, count=classes).astype(np.bool_)
        first[now & (first == 0)] = epoch
    return first


def choose_pictures(first: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Rows of the pictures to show: the first ones with a correction, and the first wrong one.

    first, truth: (N, C). The last place goes to the first picture beyond the others on which a
    correction is wrong; where there is none, to the next picture with a correction.
    """
    corrected = np.flatnonzero((first > 0).any(axis=1))
    chosen, others = np.split(corrected, [PICTURES - 1])
    wrong = others[((first[others] > 0) & ~truth[others]).any(axis=1)]
    return np.concatenate([chosen, wrong[:1] if len(wrong) else others[:1]])


def tabulate(settings: dict[str, Any]) -> pd.DataFrame:
    """One row a corrected label of a picture that is shown.

    ``row`` is that of the official training split; ``epoch`` the first in which the label was
    corrected, ``right`` whether the class is present. ``corrections`` and ``corrections_right``
    count all labels of the run that were corrected at least once.
    """
    rows: list[dict[str, Any]] = []
    for block in blocks(settings):
        labels = load_labels(labels_path(block.dataset))
        paths = labels.train.paths()
        for method, title in method_titles(settings).items():
            observation = load_observation(
                observed_path(block.dataset, block.protocol, block.observation_of(method))
            )
            truth = labels.train.truth[observation.train]
            observed = observation.observed[observation.train]
            for seed in settings["seeds"]:
                modified = read_recorded(block, method, seed, "modified.npy")
                first = first_corrections(modified, len(labels.classes))
                chosen = choose_pictures(first, truth)
                if not len(chosen):
                    raise UserError(f"{title} on {block.title} corrected no label: none to show")
                for place in chosen:
                    seen = np.flatnonzero(observed[place] == 1)
                    corrected = np.flatnonzero(first[place])
                    order = np.lexsort((corrected, first[place, corrected]))
                    for column in corrected[order]:
                        rows.append(
                            block_columns(
                                block,
                                method=method,
                                seed=seed,
                                row=observation.train[place],
                                image=paths[observation.train[place]],
                                observed=join_words(labels.classes[c] for c in seen)
                                if len(seen)
                                else "nothing",
                                label=labels.classes[column],
                                epoch=first[place, column],
                                right=bool(truth[place, column]),
                                corrections=int((first > 0).sum()),
                                corrections_right=int(((first > 0) & truth).sum()),
                            )
                        )
    return pd.DataFrame(rows)


def _draw_picture(axes: Axes, picture: np.ndarray, observed: str) -> None:
    grey = picture.shape[2] == 1
    axes.imshow(picture[..., 0] if grey else picture, cmap="gray", vmin=0, vmax=255)
    axes.set_title(f"observed: {observed}").set_in_layout(False)


def _write_corrections(axes: Axes, here: pd.DataFrame) -> None:
    """The corrected labels of a picture, a line each; a mark as well as a colour says if right."""
    lines = [
        (
            f"{RIGHT if item.right else WRONG} {item.label}, epoch {item.epoch}",
            TRUE_NEGATIVE if item.right else FALSE_NEGATIVE,
        )
        for item in here.head(LINES).itertuples()
    ]
    if len(here) > LINES:
        lines.append((f"and {len(here) - LINES} more", BLACK))
    for number, (text, colour) in enumerate(lines):
        axes.annotate(
            text,
            (0.06, 1),
            xytext=(0, -LINE_HEIGHT * number),
            xycoords="axes fraction",
            textcoords="offset points",
            va="top",
            color=colour,
        ).set_in_layout(False)


def _pictures(block: Block, here: pd.DataFrame) -> dict[int, np.ndarray]:
    rows = here["row"].unique()
    images = load_packed(packed_path(block.dataset)).train[rows]
    return dict(zip(rows.tolist(), images, strict=True))


def draw(frame: pd.DataFrame, settings: dict[str, Any]) -> Figure:
    """For each dataset, protocol and method the pictures in the order of their rows."""
    parts = [
        (block, method, seed)
        for block in blocks(settings)
        for method in method_titles(settings)
        for seed in settings["seeds"]
    ]
    rows = PICTURES // COLUMNS
    # Below each row of pictures a row for what is written, of a size that no text changes.
    figure, grid = new_figure(
        2 * rows * len(parts),
        COLUMNS,
        width=TEXT_WIDTH,
        height=1.2,
        gridspec_kw={"height_ratios": [1.75, 0.65] * (rows * len(parts))},
    )
    for axes in grid.flat:
        axes.set_axis_off()
    for position, (block, method, seed) in enumerate(parts):
        here = select_rows(frame, block, method)
        here = here[here["seed"] == seed]
        own = grid[2 * rows * position : 2 * rows * (position + 1)]
        panels = zip(own[0::2].flat, own[1::2].flat, strict=True)
        for (row, picture), (above, below) in zip(
            _pictures(block, here).items(), panels, strict=False
        ):
            corrections = here[here["row"] == row]
            _draw_picture(above, picture, corrections["observed"].iloc[0])
            _write_corrections(below, corrections)
        if len(parts) > 1:
            own[0, 0].text(
                -0.06, 0.5, f"{block.title}: {method_titles(settings)[method]}, seed {seed}",
                transform=own[0, 0].transAxes, rotation=90, ha="right", va="center",
            )  # fmt: skip
    return figure


def caption(frame: pd.DataFrame, settings: dict[str, Any]) -> str:
    """What the figure shows, how its pictures were chosen, and how many corrections were right."""
    titles, shown = method_titles(settings), blocks(settings)
    counts = frame.groupby(["dataset", "protocol", "method", "seed"], sort=False).first()
    several = len(counts) > 1
    names = {(block.dataset, block.protocol): block.title for block in shown}
    shares = "; ".join(
        f"{row['corrections_right']:,} of {row['corrections']:,}"
        + (f" by {titles[key[2]]} on {names[key[:2]]}, seed {key[3]}" if several else "")
        for key, row in counts.iterrows()
    )
    return (
        "Training pictures with the label that training sees above, and below the unobserved "
        f"labels that {join_words(titles.values())} corrected to positive, each with the first "
        f"epoch in which it did; {RIGHT}: the class is present, {WRONG}: it is not. The pictures "
        f"are the first {PICTURES - 1} of the training split with a correction and then the first "
        "other one with a wrong correction, where there is one. Right among all labels that were "
        f"corrected at least once: {shares}. {data_phrase(settings)} "
        f"Seed{'s' if len(settings['seeds']) > 1 else ''} {join_words(settings['seeds'])}."
    )


main = figure_command(__doc__, tabulate, draw, caption)

if __name__ == "__main__":
    run_command(main)
