#!/bin/sh
# Snakemake runs this in the new environment; a package that does not work is noticed here.
set -eu
python -c 'import numpy, PIL, pynvml, scipy, sklearn, torch, torchvision, tqdm'
