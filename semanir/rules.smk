rule train:
    input:
        photographs=training_set,
    output:
        weights="results/{scale}/train/{task}/{model}/seed{seed}/weights.safetensors",
        record="results/{scale}/train/{task}/{model}/seed{seed}/train.json",
    log:
        "logs/{scale}/train/{task}-{model}-seed{seed}.log",
    conda:
        "../environment.yml"
    threads: 1
    params:
        code=source_hash("train"),
        recipe=training_recipe,
        network=network_preset,
    shell:
        "python -m semanir.train --scale {wildcards.scale} --task {wildcards.task}"
        " --model {wildcards.model} --seed {wildcards.seed} --threads {threads} 2>&1 | tee {log}"


rule evaluate:
    input:
        weights=weights_if_trained,
        photographs=evaluation_sets,
    output:
        record="results/{scale}/eval/{task}/{model}/seed{seed}.json",
    log:
        "logs/{scale}/evaluate/{task}-{model}-seed{seed}.log",
    conda:
        "../environment.yml"
    threads: 1
    params:
        code=source_hash("evaluate"),
        without=WITHOUT,
    shell:
        "python -m semanir.evaluate --scale {wildcards.scale} --task {wildcards.task}"
        " --model {wildcards.model} --seed {wildcards.seed} --threads {threads}"
        " --without {params.without} 2>&1 | tee {log}"


rule activation:
    input:
        weights=weights_if_trained,
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
        "python -m semanir.activation --scale {wildcards.scale} --task {wildcards.task}"
        " --model {wildcards.model} --seed {wildcards.seed} 2>&1 | tee {log}"


rule attention:
    output:
        record="results/{scale}/cost/attention/{evidence}.json",
    log:
        "logs/{scale}/attention/{evidence}.log",
    conda:
        "../environment.yml"
    threads: 2
    params:
        code=source_hash("attention"),
    shell:
        "python -m semanir.attention {wildcards.evidence} --scale {wildcards.scale} 2>&1 | tee {log}"


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
        "python -m semanir.measure --scale {wildcards.scale} --model {wildcards.model} 2>&1 | tee {log}"
