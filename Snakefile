# SemanIR, reproduced: from photographs to the paper's tables. `snakemake all`
#
#   data/raw/<dataset>/    data/sets/<dataset>/    data/degraded/<task>/<dataset>/<level>/
#   results/<scale>/train/<task>/<model>/seed<k>/{weights.safetensors,train.json,log.jsonl}
#   results/<scale>/eval/<task>/<model>/seed<k>.json
#   results/<scale>/cost/{<model>/count,runtime,attention/memory,attention/complexity}.json
#   results/<scale>/{activation,visual}/<task>/<model>/seed<k>.json
#   results/<scale>/price.txt    results/<scale>/results.csv
#   reports/<scale>-<machine>/*.html of reports/accepted/<scale>-<machine>.csv.gz
#   reports/<table>.html .csv .md .tex    reports/{figure04,visual,ablations,claims,index}.html
#
# <task> is a task of data_prep/tasks.yaml; below results/ it carries the level a network is
# trained for: denoise_gray-sigma50, denoise_gray-blind (one model for all levels), sr-x2;
# denoise_gray-multi has the further levels of figure 5.

from snakemake.utils import min_version, validate

from reports.tables import layouts
from semanir.plan import machine, models, runs as plan
from semanir.plan.record import source_hash

min_version("9.0")
machine.use_this_python()
machine.use_every_core(workflow)

SCALE, WITHOUT, SYSTEMS = plan.choose(config)
validate(config, "semanir/plan/config.schema.yaml")


report: "reports/captions/workflow.rst"


wildcard_constraints:
    scale="[a-z]+",
    seed=r"\d+",
    table="(table|extra_)[a-z0-9_]+",
    evidence="memory|complexity",
    accepted="[a-z]+-[a-z0-9-]+",


include: "semanir/inputs.smk"
include: "data_prep/rules.smk"
include: "semanir/rules.smk"
include: "reports/rules.smk"


rule all:
    default_target: True
    input:
        price_first(SCALE),
        "reports/index.html",
        f"results/{SCALE}/results.csv",


machine.share(workflow)
