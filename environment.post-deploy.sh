#!/usr/bin/env bash
# What conda has no package of, put into the environment of environment.yml: the project itself, and
# networks of other authors. `snakemake --sdm conda` runs this in the project's folder when it has made
# the environment; by hand it is run there after `conda activate`.
#
# An entry `pip:` of environment.yml could do neither. pip takes --no-deps on its command line alone,
# not from a list of requirements, and Snakemake gives conda a copy of the file in another folder,
# where `-e .` is not the project.
set -euo pipefail
python -m pip install --no-deps -e . -r baselines/requirements.txt
