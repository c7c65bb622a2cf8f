# printed by `all` before anything else, for a scale that takes long
rule price:
    output:
        paths.PRICE,
    log:
        "logs/{scale}/price.log",
    priority: 1000
    conda:
        "../environment.yml"
    resources:
        **machine.ALONE,
        gpu=one_gpu,
    params:
        options=job_options("without", "systems", "noncommercial", "budget"),
        scale=scale_entry,
        without=PLAN.without,
        systems=systems_of_scale,
        budget=PLAN.budget,
    shell:
        "python -m semanir price --scale {wildcards.scale} {params.options} 2> {log} | tee {output}"


rule train:
    input:
        training_files,
    output:
        weights=paths.WEIGHTS,
        record=paths.TRAINING,
    log:
        "logs/{scale}/train/{task}-{model}-seed{seed}.log",
    conda:
        "../environment.yml"
    # one for each GPU computes, the others prepare patches
    threads: training_threads
    resources:
        gpu=gpus,
        mem_mb=training_megabytes,
        nodes=1,
        runtime=training_minutes,
        slurm_extra=machine.WARNED,
    params:
        launcher=training_launcher,
        code=source_hash("train"),
        recipe=training_recipe,
        network=network_preset,
        workers=training_workers,
    shell:
        # a signal to all asks the training to end; shell and log outlive it
        "trap '' TERM;"
        " {params.launcher} -m semanir train --scale {wildcards.scale} --task {wildcards.task}"
        " --model {wildcards.model} --seed {wildcards.seed} --workers {params.workers}"
        " 2>&1 | tee {log}"


rule vgg_weights:
    output:
        paths.VGG,
    log:
        "logs/download/vgg16.log",
    localrule: True
    conda:
        "../environment.yml"
    params:
        options=job_options("mirror"),
    shell:
        "python -m semanir weights vgg16 {params.options} 2>&1 | tee {log}"


# no code hash: the file is held against its SHA-256, whatever code fetched it
rule released_weights:
    output:
        weights=paths.RELEASED,
    log:
        "logs/download/{system}-{file}.log",
    localrule: True
    conda:
        "../environment.yml"
    params:
        options=job_options("mirror", "weights_dir", "noncommercial"),
    shell:
        "python -m semanir weights {wildcards.system} {wildcards.file:q} {params.options} 2>&1 | tee {log:q}"


rule evaluate:
    input:
        weights=weights_if_any,
        photographs=evaluation_sets,
    output:
        record=paths.SCORES,
    log:
        "logs/{scale}/evaluate/{task}-{model}-seed{seed}.log",
    # those of networks that come with the project take long, and need no training
    priority: 1
    conda:
        "../environment.yml"
    threads: 1
    resources:
        gpu=one_gpu,
        runtime=evaluation_minutes,
    params:
        options=job_options("without", "noncommercial"),
        code=source_hash("evaluate"),
        without=PLAN.without,
        network=evaluated_network,
        besides=scored_besides,
    shell:
        "python -m semanir evaluate --scale {wildcards.scale} --task {wildcards.task}"
        " --model {wildcards.model} --seed {wildcards.seed} --threads {threads} {params.besides}"
        " {params.options} 2>&1 | tee {log}"


rule activation:
    input:
        weights=weights_if_any,
        photographs=evaluation_sets,
    output:
        record=paths.ACTIVATION,
    log:
        "logs/{scale}/activation/{task}-{model}-seed{seed}.log",
    conda:
        "../environment.yml"
    resources:
        gpu=one_gpu,
        runtime=evaluation_minutes,
    params:
        options=job_options("without"),
        code=source_hash("activation"),
        network=evaluated_network,
    shell:
        "python -m semanir evaluate --what activation --scale {wildcards.scale}"
        " --task {wildcards.task} --model {wildcards.model} --seed {wildcards.seed}"
        " {params.options} 2>&1 | tee {log}"


# the image is chosen by its gain over the input, so both records must be there
rule visual:
    input:
        weights=weights_if_any,
        photographs=evaluation_sets,
        records=scores_with_input,
    output:
        record=paths.VISUAL,
    log:
        "logs/{scale}/visual/{task}-{model}-seed{seed}.log",
    conda:
        "../environment.yml"
    threads: 1
    resources:
        gpu=one_gpu,
        runtime=evaluation_minutes,
    params:
        options=job_options("without", "noncommercial"),
        code=source_hash("visual"),
        network=evaluated_network,
        systems=names_of_systems_shown,
    shell:
        "python -m semanir evaluate --what visual --scale {wildcards.scale}"
        " --task {wildcards.task} --model {wildcards.model} --seed {wildcards.seed}"
        " --threads {threads} --systems {params.systems} {params.options} 2>&1 | tee {log}"


rule attention:
    output:
        record=paths.ATTENTION,
    log:
        "logs/{scale}/attention/{evidence}.log",
    conda:
        "../environment.yml"
    resources:
        gpu=one_gpu,
    params:
        code=source_hash("attention"),
    shell:
        "python -m semanir measure attention {wildcards.evidence} --scale {wildcards.scale}"
        " 2>&1 | tee {log}"


rule count:
    output:
        record=paths.COUNT,
    log:
        "logs/{scale}/count/{model}.log",
    conda:
        "../environment.yml"
    params:
        options=job_options("noncommercial"),
        code=source_hash("count"),
    shell:
        "python -m semanir measure record {output} {params.options} 2>&1 | tee {log}"


# the same in one process, which imports torch once
rule counts:
    output:
        PLAN.counts(layouts.default_tables()),
    log:
        f"logs/{SCALE}/counts.log",
    conda:
        "../environment.yml"
    params:
        options=job_options("noncommercial"),
        code=source_hash("count"),
    shell:
        "python -m semanir measure record {output} {params.options} 2>&1 | tee {log}"


# a table that is asked for by name counts its own networks alone
if machine.files_are_named():

    ruleorder: count > counts

else:

    ruleorder: counts > count


rule runtime:
    output:
        record=paths.RUNTIME,
    log:
        "logs/{scale}/runtime.log",
    conda:
        "../environment.yml"
    threads: 2
    resources:
        **machine.ALONE,
        gpu=one_gpu,
    params:
        options=job_options("noncommercial"),
        code=source_hash("runtime"),
        networks=timed_networks,
    shell:
        "python -m semanir measure runtime --scale {wildcards.scale} --threads {threads}"
        " {params.options} 2>&1 | tee {log}"


# these two are asked for by the page of speed, and are no part of `all`
rule bench:
    output:
        record=expand(paths.ATTENTION, evidence="bench", allow_missing=True),
    log:
        "logs/{scale}/attention/bench.log",
    conda:
        "../environment.yml"
    threads: 2
    resources:
        **machine.ALONE,
        gpu=one_gpu,
    params:
        code=source_hash("speed"),
        device=bench_device,
    shell:
        "python -m semanir bench --scale {wildcards.scale} --threads {threads}"
        " --device {params.device} 2>&1 | tee {log}"


rule growth:
    output:
        record=expand(paths.ATTENTION, evidence="growth", allow_missing=True),
    log:
        "logs/{scale}/attention/growth.log",
    conda:
        "../environment.yml"
    threads: 2
    resources:
        **machine.ALONE,
        gpu=one_gpu,
    params:
        code=source_hash("speed"),
        device=bench_device,
    shell:
        "python -m semanir bench --growth --scale {wildcards.scale} --threads {threads}"
        " --device {params.device} 2>&1 | tee {log}"
