#!/bin/sh
# Snakemake runs this in the new environment; a package that does not work is noticed here.
set -eu
curl --version >/dev/null
python -c 'import numpy, pandas, scipy, tqdm'
