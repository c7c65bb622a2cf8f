"""What `snakemake --config` says, read once: the plan, and what jobs are told. No torch, no pandas.

The options are those of config.schema.yaml.
"""

import shlex
from dataclasses import dataclass
from typing import Any

from data_prep.datasets import datasets
from semanir.errors import InputError
from semanir.files import read_yaml
from semanir.names import known_name
from semanir.paths import ROOT
from semanir.plan.models import scales
from semanir.plan.plan import Plan
from semanir.plan.trainings import parse_budget

SCHEMA = "semanir/plan/config.schema.yaml"


@dataclass(frozen=True)
class JobOptions:
    """Options as they stand in the commands of jobs, "" where nothing is to be said.

    They are no parameters of rules: another mirror makes no result stale.
    """

    mirror: str = ""
    weights_dir: str = ""
    noncommercial: str = ""
    without: str = ""
    systems: str = ""
    budget: str = ""


def read(config: dict[str, Any]) -> tuple[Plan, JobOptions]:
    """The plan that `--config scale=... without=... ...` asks for, and the options of its jobs.

    Fills `config` with the defaults. A wrong name or option ends the process with one line that
    names the nearest valid ones: any other exception would reach the user as a traceback through
    the Snakefile.
    """
    try:
        return _read(config)
    except InputError as error:
        raise SystemExit(f"error: {error}") from None


def _read(config: dict[str, Any]) -> tuple[Plan, JobOptions]:
    properties = read_yaml(ROOT / SCHEMA)["properties"]
    for name in config:
        known_name(name, properties, "option of --config")
    for name, options in properties.items():
        if options["type"] == "string":
            # an empty scale is a wrong one, of the others nothing
            given = config.get(name, options["default"])
            config[name] = str(given if name == "scale" else given or "")
    accepted = str(config.get("accept_noncommercial") or False).lower()  # --config gives text
    known_name(accepted, ("true", "false"), "value of --config accept_noncommercial")
    config["accept_noncommercial"] = accepted == "true"
    known_name(config["scale"], scales(), "scale")
    without, systems = (
        tuple(filter(None, config[name].split(","))) for name in ("without", "systems")
    )
    _check_datasets()
    budget = parse_budget(config["budget"])
    plan = Plan(config["scale"], without, systems, config["accept_noncommercial"], budget)
    plan.pays(plan.figure_run)  # or too small a budget is said here, in one line
    return plan, JobOptions(
        mirror=_option("--mirror", config["mirror"]),
        weights_dir=_option("--weights-dir", config["weights_dir"]),
        noncommercial="--accept-noncommercial" if plan.noncommercial else "",
        without=_option("--without", *plan.without),
        systems=_option("--systems", *plan.asked),
        budget=_option("--budget", config["budget"]),
    )


def _check_datasets() -> None:
    """UnknownNameError for a scale that datasets.yaml names and scales.yaml does not have."""
    for name, entry in datasets().items():
        for scale in entry["scales"]:
            known_name(scale, scales(), f"scale in datasets.yaml, {name}")


def _option(name: str, *values: str) -> str:
    return shlex.join([name, *values]) if any(values) else ""
