rule collect:
    input:
        records=plan.records(SCALE, layouts.default_tables(), WITHOUT, SYSTEMS),
    output:
        results="results/{scale}/results.csv",
    log:
        "logs/{scale}/collect.log",
    conda:
        "../environment.yml"
    params:
        code=source_hash("tables"),
    shell:
        "python -m reports.collect {output.results} {input.records} 2>&1 | tee {log}"


rule table:
    input:
        records=records_of_table,
    output:
        html="reports/{table}.html",
        csv="reports/{table}.csv",
        markdown="reports/{table}.md",
        latex="reports/{table}.tex",
    log:
        "logs/reports/{table}.log",
    conda:
        "../environment.yml"
    params:
        code=source_hash("tables"),
        scale=SCALE,
    shell:
        "python -m reports.tables {wildcards.table} {input.records}"
        " --scale {params.scale} --out reports 2>&1 | tee {log}"


rule figure04:
    input:
        record=plan.figure_run(SCALE).activation,
    output:
        html="reports/figure04.html",
    log:
        "logs/reports/figure04.log",
    conda:
        "../environment.yml"
    params:
        code=source_hash("tables"),
    shell:
        "python -m reports.figure04 {input.record} --out reports 2>&1 | tee {log}"


rule index:
    input:
        figure="reports/figure04.html",
        results=f"results/{SCALE}/results.csv",
        tables=expand("reports/{table}.html", table=layouts.default_tables()),
    output:
        html="reports/index.html",
    log:
        "logs/reports/index.log",
    conda:
        "../environment.yml"
    params:
        code=source_hash("tables"),
        scale=SCALE,
    shell:
        "python -m reports.index --scale {params.scale} --results {input.results}"
        " --out {output.html} 2>&1 | tee {log}"


rule tables:
    input:
        expand("reports/{table}.html", table=layouts.default_tables()),


rule gate:
    input:
        results=f"results/{SCALE}/results.csv",
        accepted=f"reports/accepted/{SCALE}.csv",
    output:
        verdict=f"results/{SCALE}/gate.txt",
    log:
        f"logs/{SCALE}/gate.log",
    conda:
        "../environment.yml"
    params:
        scale=SCALE,
        code=source_hash("tables"),
    shell:
        "python -m reports.gate --scale {params.scale} --results {input.results} 2>&1"
        " | tee {log} {output.verdict}"
