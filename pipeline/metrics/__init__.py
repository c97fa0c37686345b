"""What is measured beside a task's own figures: one file each, named by `metrics:` of a model.

Each has
    TOOLCHAIN        distributions whose versions decide its figures
    METRICS          its figures by name, each a `figure.Metric`
    judge(trial)     a Figure of each of METRICS that can be measured (`tasks.Trial`)
"""

INTERFACE = ("TOOLCHAIN", "METRICS", "judge")
