# printed by `all` before anything else, for a scale that takes long
rule price:
    output:
        "results/{scale}/price.txt",
    log:
        "logs/{scale}/price.log",
    priority: 1000
    conda:
        "../environment.yml"
    resources:
        **machine.ALONE,
    params:
        scale=scale_entry,
        without=WITHOUT,
        systems=SYSTEMS,
    shell:
        "python -m semanir.measure.price --scale {wildcards.scale} --without {params.without}"
        " --systems {params.systems} 2> {log} | tee {output}"


rule train:
    input:
        training_files,
    output:
        weights="results/{scale}/train/{task}/{model}/seed{seed}/weights.safetensors",
        record="results/{scale}/train/{task}/{model}/seed{seed}/train.json",
    log:
        "logs/{scale}/train/{task}-{model}-seed{seed}.log",
    conda:
        "../environment.yml"
    # one computes, the others prepare patches
    threads: training_threads
    resources:
        gpu=gpus,
    params:
        code=source_hash("train"),
        recipe=training_recipe,
        network=network_preset,
        workers=training_workers,
    shell:
        "python -m semanir.train.training --scale {wildcards.scale} --task {wildcards.task}"
        " --model {wildcards.model} --seed {wildcards.seed} --workers {params.workers}"
        " 2>&1 | tee {log}"


rule vgg_weights:
    output:
        plan.VGG_WEIGHTS,
    log:
        "logs/download/vgg16.log",
    conda:
        "../environment.yml"
    shell:
        "python -m semanir.train.vgg {output} 2>&1 | tee {log}"


# no code hash: the file is held against its SHA-256, whatever code fetched it
rule released_weights:
    output:
        weights="data/weights/{system}/{file}",
    log:
        "logs/download/{system}-{file}.log",
    conda:
        "../environment.yml"
    shell:
        "python -m baselines.weights {wildcards.system} {wildcards.file:q} 2>&1 | tee {log:q}"


rule evaluate:
    input:
        weights=weights_if_any,
        photographs=evaluation_sets,
    output:
        record="results/{scale}/eval/{task}/{model}/seed{seed}.json",
    log:
        "logs/{scale}/evaluate/{task}-{model}-seed{seed}.log",
    conda:
        "../environment.yml"
    threads: 1
    resources:
        gpu=gpus,
    params:
        code=source_hash("evaluate"),
        without=WITHOUT,
    shell:
        "python -m semanir.evaluate.evaluation --scale {wildcards.scale} --task {wildcards.task}"
        " --model {wildcards.model} --seed {wildcards.seed} --threads {threads}"
        " --without {params.without} 2>&1 | tee {log}"


rule activation:
    input:
        weights=weights_if_any,
        photographs=evaluation_sets,
    output:
        record="results/{scale}/activation/{task}/{model}/seed{seed}.json",
    log:
        "logs/{scale}/activation/{task}-{model}-seed{seed}.log",
    conda:
        "../environment.yml"
    params:
        code=source_hash("activation"),
    shell:
        "python -m semanir.evaluate.activation --scale {wildcards.scale} --task {wildcards.task}"
        " --model {wildcards.model} --seed {wildcards.seed} 2>&1 | tee {log}"


# the image is chosen by its gain over the input, so both records must be there
rule visual:
    input:
        weights=weights_if_any,
        photographs=evaluation_sets,
        records=scores_with_input,
    output:
        record="results/{scale}/visual/{task}/{model}/seed{seed}.json",
    log:
        "logs/{scale}/visual/{task}-{model}-seed{seed}.log",
    conda:
        "../environment.yml"
    threads: 1
    params:
        code=source_hash("visual"),
        beside=systems_beside,
    shell:
        "python -m semanir.evaluate.visual --scale {wildcards.scale} --task {wildcards.task}"
        " --model {wildcards.model} --seed {wildcards.seed} --threads {threads}"
        " --beside {params.beside} 2>&1 | tee {log}"


rule attention:
    output:
        record="results/{scale}/cost/attention/{evidence}.json",
    log:
        "logs/{scale}/attention/{evidence}.log",
    conda:
        "../environment.yml"
    params:
        code=source_hash("attention"),
    shell:
        # glibc asks the system for large tensors anew, zeroed, unless it is told to keep them
        "MALLOC_MMAP_THRESHOLD_=8589934592 MALLOC_TRIM_THRESHOLD_=17179869184"
        " python -m semanir.measure.attention {wildcards.evidence} --scale {wildcards.scale} 2>&1 | tee {log}"


rule count:
    output:
        record="results/{scale}/cost/{model}/count.json",
    log:
        "logs/{scale}/count/{model}.log",
    conda:
        "../environment.yml"
    params:
        code=source_hash("count"),
    shell:
        "python -m semanir.measure.networks record {output} --threads {threads} 2>&1 | tee {log}"


# the same in one process, which imports torch once
rule counts:
    output:
        plan.counts(SCALE, layouts.default_tables()),
    log:
        f"logs/{SCALE}/counts.log",
    conda:
        "../environment.yml"
    params:
        code=source_hash("count"),
    shell:
        "python -m semanir.measure.networks record {output} --threads {threads} 2>&1 | tee {log}"


# a table that is asked for by name counts its own networks alone
if machine.files_are_named():

    ruleorder: count > counts

else:

    ruleorder: counts > count


rule runtime:
    output:
        record="results/{scale}/cost/runtime.json",
    log:
        "logs/{scale}/runtime.log",
    conda:
        "../environment.yml"
    threads: 2
    resources:
        **machine.ALONE,
    params:
        code=source_hash("runtime"),
    shell:
        "python -m semanir.measure.networks compare --scale {wildcards.scale} 2>&1 | tee {log}"
