# Input and parameter functions of the rules: wildcards -> what the plan says. A job's scale is that
# of its file, whatever --config says.


# `threads` makes this a derived parameter: Snakemake leaves those out of what makes a result stale,
# and another mirror changes none
def job_options(*names):
    def options(wildcards, threads):
        return " ".join(filter(None, (getattr(OPTIONS, name) for name in names)))

    return options


def plan_of(wildcards):
    return replace(PLAN, scale=wildcards.scale) if wildcards.scale != SCALE else PLAN


def wanted_run(wildcards):
    return Run(wildcards.scale, wildcards.task, wildcards.model, int(wildcards.seed))


def training_recipe(wildcards):
    return plan_of(wildcards).recipe(wildcards.task, wildcards.model)


def training_files(wildcards):
    return plan_of(wildcards).training_files(wildcards.task)


def scale_entry(wildcards):
    return plan_of(wildcards).entry


def systems_of_scale(wildcards):
    return plan_of(wildcards).systems


# of no training: Snakemake 9 overlooks what has changed downstream of a file that is made anew
def price_first():
    return paths.PRICE.format(scale=SCALE) if PLAN.entry.get("price_first") else []


def workers(wildcards):
    return scale_entry(wildcards).get("workers", 0)


# derived, as `job_options` says: any number of workers trains the same network
def training_workers(wildcards, threads):
    return workers(wildcards)


def training_threads(wildcards):
    return (1 + workers(wildcards)) * max(1, gpus(wildcards))


def gpus(wildcards):
    return scale_entry(wildcards).get("gpus", 0)


def one_gpu(wildcards):
    return min(1, gpus(wildcards))


def training_minutes(wildcards):
    return needs.training_minutes(plan_of(wildcards), wildcards.task, wildcards.model)


def training_megabytes(wildcards):
    return needs.training_megabytes(plan_of(wildcards), wildcards.task, wildcards.model)


# more with each attempt, as profiles/slurm has it for jobs of no counted work
def evaluation_minutes(wildcards, attempt):
    minutes = needs.evaluation_minutes(plan_of(wildcards), wanted_run(wildcards))
    return min(attempt * minutes, needs.LONGEST)


# `resources` keeps it out of what makes a result stale: on another number of GPUs it is the same
def training_launcher(wildcards, resources):
    several = resources.gpu > 1
    return f"python -m {needs.PROCESSES.format(resources.gpu)}" if several else "python"


def network_preset(wildcards):
    return plan_of(wildcards).network(wildcards.model)


# switches of inference alone change no weights
def evaluated_network(wildcards):
    return network_preset(wildcards) if wanted_run(wildcards).trained else None


def bench_device(wildcards):
    return "cuda" if gpus(wildcards) else "cpu"


def timed_networks(wildcards):
    return scale_entry(wildcards)["runtime"]


def weights_if_any(wildcards):
    return list(filter(None, [wanted_run(wildcards).weights]))


def evaluation_sets(wildcards):
    return plan_of(wildcards).evaluation_files(wanted_run(wildcards))


def scored_besides(wildcards):
    scale, released = scale_entry(wildcards), wildcards.model == RELEASED
    tile = scale.get("tile") if released else None
    ensemble = scale.get("self_ensemble") and (
        released or wanted_run(wildcards).trained
    )
    options = [f"--tile {tile}" if tile else "", "--self-ensemble" if ensemble else ""]
    return " ".join(filter(None, options))


def scores_with_input(wildcards):
    run = wanted_run(wildcards)
    others = systems_shown(wildcards)
    weights = [other.weights for other in others if other.weights]
    records = [other.record for other in others]
    return [run.record, run.of_input.record, *records, *weights]


def systems_shown(wildcards):
    run = wanted_run(wildcards)
    return plan_of(wildcards).systems_shown(run, layouts.default_tables())


def names_of_systems_shown(wildcards):
    return [other.model for other in systems_shown(wildcards)]


def raw_photographs(wildcards):
    return plan.raw_listing(wildcards.dataset)


def set_definition(wildcards):
    return plan.set_definition(wildcards.dataset)


def labels_of_table(wildcards):
    return layouts.report_labels(wildcards.table)


def records_of_table(wildcards):
    return PLAN.records([wildcards.table])


def records_without_training(wildcards):
    runs = plan_of(wildcards).runs(layouts.default_tables())
    return [run.record for run in runs if not run.trained]


# beside the run that is rendered, files that exist; not inputs, which would be made anew
def other_results():
    made = (
        Path().glob(name.format(scale="*")) for name in (paths.RESULTS, paths.SYSTEMS)
    )
    return {
        str(path): path.stat().st_mtime_ns
        for path in sorted(chain.from_iterable(made))
        if path != Path(paths.RESULTS.format(scale=SCALE))
    }
