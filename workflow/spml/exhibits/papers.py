"""The two papers, and what goes beyond them, by the key that their exhibits begin with."""

PAPERS = {
    "gr": "Generalized Robust Loss",
    "ll": "Large Loss Matters",
    "extra": "Beyond the papers",
}
REFERENCES = {
    "gr": "Boosting Single Positive Multi-label Classification with Generalized Robust Loss, "
    "IJCAI 2024, arXiv 2405.03501",
    "ll": "Large Loss Matters in Weakly Supervised Multi-Label Classification, "
    "CVPR 2022, arXiv 2206.03740",
}
