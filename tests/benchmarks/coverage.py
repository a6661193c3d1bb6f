"""How often 95 % intervals cover what they should, and how often a test errs, by simulation.

Each replicate makes new test images and new seeds, computes test mAP by the project's own function,
and asks for the interval and the p of two differences to a reference method: of a method that is
just as good, and of one that is about 2 points better. The truth is 0 for the one, and for the other
the mean over all replicates.

A score is `strength * present + noise`. Strength differs from seed to seed so that the paired
difference has a standard deviation of about 1 point with 200 images, and as much less with more of
them as images move it less. Noise is shared by all methods but for a part
of each method's own, which is chosen so that images alone move the mean difference by `ratio` times
as much as a seed does; what the ratio came out as is printed. So is the standard error over images
that intervals rest on, as a multiple of the true one, which is what the mean differences of all
replicates vary by beyond their seeds (NaN where images make no difference).

    python tests/benchmarks/coverage.py
    python tests/benchmarks/coverage.py --seeds 10 --cases 2 ties --replicates 1600
"""

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[2] / "workflow"))

import numpy as np
from scipy.special import stdtrit
from spml.measures.metrics import mean_average_precision
from spml.measures.statistics import (
    Estimate,
    Resampled,
    draw_weights,
    map_influence,
    resampled_map,
)

IMAGES = 1000  # those of the demo; the papers' datasets have five thousand and more
CLASSES, STRENGTH = 4, 1.5
COMMON, RARE = 0.3, 0.05  # shares of images with a class; rare ones are half of the classes
BETTER = 2.0  # points
OWN_NOISE = np.array([0.0, 0.1, 0.25, 0.5, 1.0])


@dataclass(frozen=True)
class Case:
    """seeds: of each method. ratio: image noise in units of seed noise. kind: plain, ties, rare."""

    seeds: int
    ratio: float
    kind: str = "plain"
    images: int = IMAGES

    @property
    def seed_deviation(self) -> float:
        """Standard deviation of a paired difference over seeds, in points."""
        return (200 / self.images) ** 0.5


class Scale(NamedTuple):
    """Share of own noise, deviation of strength over seeds, and what 2 points are of strength."""

    own_noise: float
    jitter: float
    better: float


class Found(NamedTuple):
    """Shares of replicates in percent: coverage with difference 0 and 2, that with difference 0 by
    influence and by Satterthwaite's degrees of freedom, and p below 0.05 where there is no
    difference; the ratio that was simulated, and the standard error over images that intervals rest
    on, in units of the true one."""

    equal: float
    better: float
    influence: float
    satterthwaite: float
    false_positives: float
    ratio: float
    said: float


def draw_images(random: np.random.Generator, case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Truth (N, C) bool, and noise (4, N, C): shared by methods, and of each of three alone."""
    shares = np.full(CLASSES, COMMON)
    if case.kind == "rare":
        shares[CLASSES // 2 :] = RARE
    truth = random.random((case.images, CLASSES)) < shares
    return truth, random.normal(size=(4, case.images, CLASSES))


def make_scores(
    truth: np.ndarray, noise: np.ndarray, strengths: np.ndarray, own_noise: float, kind: str
) -> np.ndarray:
    """Scores (M, S, N, C) of ``strengths`` (M, S); with ``ties`` of few different values."""
    mixed = (1 - own_noise**2) ** 0.5 * noise[0] + own_noise * noise[1 : len(strengths) + 1]
    scores = strengths[:, :, None, None] * truth + mixed[:, None]
    return scores.round(0) if kind == "ties" else scores


def calibrate(case: Case, draws: int = 120) -> Scale:
    """Find the scale at which a case is what it says."""
    random = np.random.default_rng(1)
    images = [draw_images(random, case) for _ in range(draws)]

    def differences(strength: float, own_noise: float) -> np.ndarray:
        strengths = np.array([[STRENGTH], [strength]])
        found = []
        for truth, noise in images:
            scores = make_scores(truth, noise, strengths, own_noise, case.kind)[:, 0]
            first, second = (mean_average_precision(each, truth) for each in scores)
            found.append(second - first)
        return np.array(found)

    slope = differences(STRENGTH + 0.2, 0.0).mean() / 0.2  # points a unit of strength
    spread = np.array([differences(STRENGTH, own).std() for own in OWN_NOISE])
    wanted = case.ratio * case.seed_deviation
    return Scale(
        own_noise=float(np.interp(wanted, spread, OWN_NOISE)),
        jitter=case.seed_deviation / (2**0.5 * slope),
        better=BETTER / slope,
    )


def satterthwaite_interval(difference: Estimate) -> tuple[float, float]:
    """The other common way: both variances as one, with the degrees of freedom of Satterthwaite.

    Biometrics Bulletin, 1946; those of the images count as infinite.
    """
    of_seeds = difference.values.var(ddof=1) / len(difference.values)
    both = of_seeds + (difference.influence**2).sum()
    freedom = (len(difference.values) - 1) * (both / of_seeds) ** 2
    half = float(stdtrit(freedom, 0.975) * both**0.5)
    return difference.mean - half, difference.mean + half


def simulate(case: Case, *, replicates: int, resamples: int, random_seed: int = 0) -> Found:
    """Coverage and false positives of one case."""
    scale = calibrate(case)
    random = np.random.default_rng(random_seed)
    base = np.array([[STRENGTH], [STRENGTH], [STRENGTH + scale.better]])
    methods = ("reference", "equal", "better")
    intervals: dict[str, list[tuple[float, float, float]]] = {
        name: [] for name in ("equal", "better", "influence", "satterthwaite")
    }
    p_values, seed_variances, image_variances = [], [], []
    for replicate in range(replicates):
        truth, noise = draw_images(random, case)
        strengths = base + scale.jitter * random.normal(size=(3, case.seeds))
        scores = make_scores(truth, noise, strengths, scale.own_noise, case.kind)
        weights = draw_weights(resamples=resamples, images=case.images, random_seed=replicate)
        seed_map = [[mean_average_precision(run, truth) for run in runs] for runs in scores]
        resampled = [resampled_map(runs, truth, weights) for runs in scores]
        seed_influence = [[map_influence(run, truth) for run in runs] for runs in scores]
        influence = np.mean(seed_influence, axis=1)
        found = Resampled(methods, np.array(seed_map), np.array(resampled), influence)
        for name in ("equal", "better"):
            intervals[name].append(found.difference(name, "reference"))
        p_values.append(found.p("equal", "reference"))
        reference, equal = (
            Estimate.of_seeds(values, influences)
            for values, influences in zip(seed_map[:2], seed_influence[:2], strict=True)
        )
        difference = equal - reference
        intervals["influence"].append((difference.mean, *difference.interval()))
        intervals["satterthwaite"].append((difference.mean, *satterthwaite_interval(difference)))
        seed_variances.append(difference.values.var(ddof=1))
        _, deviations = found.combined(("equal", 1), ("reference", -1))
        image_variances.append(deviations.var())
    true = dict.fromkeys(intervals, 0.0)
    true["better"] = float(np.mean([row[0] for row in intervals["better"]]))
    covered = {
        name: 100 * float(np.mean([low <= true[name] <= high for _, low, high in rows]))
        for name, rows in intervals.items()
    }
    seed_variance, image_variance = np.mean(seed_variances), np.mean(image_variances)
    true_variance = np.var([row[0] for row in intervals["equal"]]) - seed_variance / case.seeds
    known = case.ratio > 0 and true_variance > 0
    return Found(
        **covered,
        false_positives=100 * float(np.mean(np.array(p_values) < 0.05)),
        ratio=float((image_variance / seed_variance) ** 0.5),
        said=float((image_variance / true_variance) ** 0.5) if known else float("nan"),
    )


# What the command line calls a case, its kind and its ratio.
CASES: dict[str, tuple[str, float]] = {
    **{str(ratio): ("plain", ratio) for ratio in (0, 0.5, 1, 2)},
    "ties": ("ties", 1),
    "rare": ("rare", 1),
}


def _simulate(arguments: tuple[Case, int, int, int]) -> Found:
    case, replicates, resamples, random_seed = arguments
    return simulate(case, replicates=replicates, resamples=resamples, random_seed=random_seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replicates", type=int, default=1000, help="simulated experiments a case")
    parser.add_argument("--resamples", type=int, default=200, help="of the bootstrap in each")
    parser.add_argument("--images", type=int, default=IMAGES, help="of the test split")
    parser.add_argument("--seeds", type=int, nargs="+", default=[2, 3, 5, 10], help="two or more")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--random-seed", type=int, default=0, help="of the simulation")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    error = 100 * (0.95 * 0.05 / arguments.replicates) ** 0.5
    print(
        f"{arguments.replicates} replicates a case, {arguments.resamples} resamples, "
        f"{arguments.images} images, {CLASSES} classes; the standard error of 95 % is {error:.1f}. "
        "Wanted: coverage 94 to 98 % (at least 94 % of two seeds), p < .05 in 2 to 6 % (at most "
        "6 % of two seeds)."
    )
    header = "seeds", "kind", "image / seed noise", "cover 0", "cover 2", "by influence"
    header = *header, "by Satterthwaite", "p < .05", "image error said / true"
    print("| " + " | ".join(header) + " |")
    print("| " + " | ".join(["--:"] * len(header)) + " |")
    cases = [
        Case(seeds, ratio, kind, arguments.images)
        for seeds in arguments.seeds
        for kind, ratio in map(CASES.__getitem__, arguments.cases)
    ]
    shared = arguments.replicates, arguments.resamples, arguments.random_seed
    jobs = [(case, *shared) for case in cases]
    with ProcessPoolExecutor(arguments.processes) as pool:
        for case, found in zip(cases, pool.map(_simulate, jobs), strict=True):
            print(
                f"| {case.seeds} | {case.kind} | {found.ratio:.2f} | {found.equal:.1f} | "
                f"{found.better:.1f} | {found.influence:.1f} | {found.satterthwaite:.1f} | "
                f"{found.false_positives:.1f} | {found.said:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
