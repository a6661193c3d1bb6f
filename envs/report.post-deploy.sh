#!/bin/sh
# Snakemake runs this in the new environment; a package that does not work is noticed here.
set -eu
python -c 'import jinja2, latex2mathml, markupsafe, matplotlib, numpy, pandas, PIL, scipy, seaborn, yaml'
