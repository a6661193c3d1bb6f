"""Average precision against scikit-learn's on COCO's test size, 40,137 images and 80 classes.

Both take turns on the same float32 scores, with the truth as rare as COCO's and with ties in one
case; the shortest of several turns each. The largest difference of their results is printed too.
Then the bootstrap of one method on data as large as the demo's.
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "workflow"))

import numpy as np
from sklearn.metrics import average_precision_score
from spml.measures.metrics import average_precision
from spml.measures.statistics import draw_weights, resampled_map

ROWS, CLASSES, POSITIVES, TURNS = 40_137, 80, 2.9 / 80, 7


def scikit_learn(scores: np.ndarray, truth: np.ndarray) -> np.ndarray:
    columns = range(scores.shape[1])
    return np.array([average_precision_score(truth[:, c], scores[:, c]) for c in columns])


def main() -> None:
    random = np.random.default_rng(0)
    truth = random.random((ROWS, CLASSES)) < POSITIVES
    continuous = random.random((ROWS, CLASSES), dtype=np.float32)
    for name, scores in (("scores", continuous), ("tied scores", continuous.round(2))):
        seconds: dict[str, list[float]] = {"ours": [], "scikit-learn": []}
        results = {}
        for _ in range(TURNS):
            for who, function in (("ours", average_precision), ("scikit-learn", scikit_learn)):
                started = time.perf_counter()
                results[who] = function(scores, truth)
                seconds[who].append(time.perf_counter() - started)
        ours, theirs = (min(seconds[who]) for who in ("ours", "scikit-learn"))
        difference = np.abs(results["ours"] - results["scikit-learn"]).max()
        print(
            f"{name}: {ours:.2f} s, scikit-learn {theirs:.2f} s: {ours / theirs:.2f} of its time "
            f"(at most 1 wanted); results differ by at most {difference:.0e} (below 1e-9 wanted)"
        )
    runs, present = random.random((3, 1000, 10)), random.random((1000, 10)) < 0.22
    weights = draw_weights(resamples=1000, images=1000)
    started = time.process_time()
    resampled_map(runs, present, weights)
    print(
        "1,000 resamples of 3 seeds, 10 classes and 1,000 images: "
        f"{time.process_time() - started:.2f} s of processor time (0.2 wanted)"
    )


if __name__ == "__main__":
    main()
