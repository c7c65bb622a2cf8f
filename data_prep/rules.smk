rule prepare_set:
    output:
        index="data/sets/{dataset}/index.json",
    log:
        "logs/prepare/{dataset}.log",
    conda:
        "../environment.yml"
    params:
        code=source_hash("prepare"),
    shell:
        "python -m data_prep prepare {wildcards.dataset} $(dirname {output.index}) 2>&1 | tee {log}"


rule degrade_set:
    input:
        clean="data/sets/{dataset}/index.json",
    output:
        index="data/degraded/{family}/{dataset}/{level}/index.json",
    log:
        "logs/degrade/{family}-{dataset}-{level}.log",
    conda:
        "../environment.yml"
    params:
        code=source_hash("degrade"),
    shell:
        "python -m data_prep degrade {wildcards.family} {wildcards.level}"
        " $(dirname {input.clean}) $(dirname {output.index}) 2>&1 | tee {log}"
