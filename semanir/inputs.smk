# Input and parameter functions of the rules: wildcards -> what semanir.plan says.


def wanted_run(wildcards):
    return plan.Run(
        wildcards.scale, wildcards.task, wildcards.model, int(wildcards.seed)
    )


def training_recipe(wildcards):
    return plan.recipe(wildcards.scale, wildcards.task, wildcards.model)


def training_files(wildcards):
    return plan.training_inputs(wildcards.scale, wildcards.task)


def scale_entry(wildcards):
    return models.get_scale(wildcards.scale)


# of no training: Snakemake 9 overlooks what has changed downstream of a file that is made anew
def price_first(scale):
    first = models.get_scale(scale).get("price_first")
    return [f"results/{scale}/price.txt"] if first else []


def training_workers(wildcards):
    return scale_entry(wildcards).get("workers", 0)


def training_threads(wildcards):
    return 1 + training_workers(wildcards)


def gpus(wildcards):
    return scale_entry(wildcards).get("gpus", 0)


def network_preset(wildcards):
    return models.network(wildcards.scale, wildcards.model)


def weights_if_any(wildcards):
    return list(filter(None, [wanted_run(wildcards).weights]))


def evaluation_sets(wildcards):
    return plan.evaluation_inputs(wanted_run(wildcards), WITHOUT)


def scores_with_input(wildcards):
    run = wanted_run(wildcards)
    others = runs_beside(wildcards)
    weights = [other.weights for other in others if other.weights]
    return [
        run.record,
        plan.input_run(run).record,
        *(other.record for other in others),
        *weights,
    ]


def runs_beside(wildcards):
    run = wanted_run(wildcards)
    return plan.beside(run, layouts.default_tables(), WITHOUT, SYSTEMS)


def systems_beside(wildcards):
    return [other.model for other in runs_beside(wildcards)]


def raw_photographs(wildcards):
    return plan.raw_listing(wildcards.dataset)


def set_definition(wildcards):
    return plan.set_definition(wildcards.dataset)


def records_of_table(wildcards):
    return plan.records(SCALE, [wildcards.table], WITHOUT, SYSTEMS)
