# SemanIR, reproduced: from photographs to the paper's tables. `snakemake all`
#
# photographs -> sets -> degraded sets        data_prep/rules.smk
# weights, scores, pictures, costs            semanir/rules.smk
# results.csv, tables, claims, gate           reports/rules.smk
#
#   data/raw/<dataset>/    data/sets/<dataset>/    data/degraded/<family>/<dataset>/<level>/
#   results/<scale>/train/<task>/<model>/seed<k>/{weights.safetensors,train.json,log.jsonl}
#   results/<scale>/eval/<task>/<model>/seed<k>.json
#   results/<scale>/cost/{<model>/count,runtime,attention/{memory,complexity,bench,growth}}.json
#   results/<scale>/{activation,visual}/<task>/<model>/seed<k>.json
#   results/<scale>/price.txt    results/<scale>/{results,systems}.csv
#   reports/<table>.html .csv .md .tex    reports/{figure04,visual,ablations,claims,speed,index}.html
#
# Rules take these from semanir/paths.py. <task> is a family of data_prep/tasks.yaml with the level
# that a network is trained for: denoise_gray-sigma50, denoise_gray-blind (one model for all
# levels), sr-x2; denoise_gray-multi has the further levels of figure 5.

from dataclasses import replace
from itertools import chain
from pathlib import Path

from snakemake.utils import min_version, validate

from reports.tables import layouts
from semanir import paths
from semanir.plan import clock, configuration, machine, needs, plan
from semanir.plan.models import RELEASED
from semanir.plan.runs import Run
from semanir.plan.source_hash import source_hash

min_version("9.0")
machine.use_this_python()
machine.use_every_core(workflow)

PLAN, OPTIONS = configuration.read(config)
SCALE = PLAN.scale
validate(config, configuration.SCHEMA)
if workflow.is_main_process:
    clock.date_now(Path())


report: "reports/captions/workflow.rst"


wildcard_constraints:
    scale="[a-z]+",
    seed=r"\d+",
    table="(table|extra_)[a-z0-9_]+",
    evidence="memory|complexity",


include: "semanir/inputs.smk"
include: "data_prep/rules.smk"
include: "semanir/rules.smk"
include: "reports/rules.smk"


rule all:
    default_target: True
    input:
        price_first(),
        "reports/index.html",
        paths.RESULTS.format(scale=SCALE),


machine.share(workflow)


onsuccess:
    machine.end_at_once()


onerror:
    machine.end_at_once()
