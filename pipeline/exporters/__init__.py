"""How sources become IR, and how the original runs: one file per format, named as in params.yaml.

Each has
    TOOLCHAIN                    distributions whose versions decide the IR
    RUNS_WITH                    those that decide what the original gives
    ENDINGS                      of file names by which a source is known; none where a folder is
    baseline()                   what the original runs in here, as reports call it
    files(model)                 patterns of the source files it reads, and of what lies beside
    weights(model)               what of these holds weights: tuples of patterns that go together
    export(source, model, out)   writes the IR folder `out`; returns what goes to the provenance
    original(source, model)      the source's own networks at fp32, by the names of the IR's
    use_threads(count)           originals of this process run on so many from here on

and may have
      inputs(source, model)        what the files say that networks take: `spec.Declared` by name
      check(model)                 SpecError where the entry lacks what can be told from it
"""

INTERFACE = (
    "TOOLCHAIN",
    "RUNS_WITH",
    "ENDINGS",
    "baseline",
    "files",
    "weights",
    "export",
    "original",
    "use_threads",
)
