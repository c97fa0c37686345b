"""What models are for: one file per task, named as in params.yaml with underscores for hyphens.

Each has
    FILES                                   patterns of the source files it needs beside the weights
    TOOLCHAIN                               distributions whose versions decide its inputs
    RUNS_WITH                               those that decide, beside these, what the original gives
    JUDGED_WITH                             those that decide predictions, score and agreement
    Options                                 a Record: `options:` of a model's entry
    Resolved                                a Record: what holds when the repository was asked too;
                                            what of it changes outputs
    resolve(model, source)                  that, and notes: where entry and repository disagree
    finish(network, model, source)          the exported ov.Model with the outputs that it is for
    METRIC                                  the name of the task's own score
    calibration(model, source)              inputs that full quantization may look at
    validation(model, source)               inputs that fidelity and score are measured on
    sized(model, source, length)            one input of that length, for benchmarks
    size(inputs)                            how long an input is, in the same unit
    original(model, source)                 the PyTorch model at fp32, as inputs -> outputs
    embed(resolved, inputs, outputs)        the vector that cosine similarity is taken of
    predictions(vectors)                    what those vectors say, one figure per label
    labels(model)                           what predictions are held against
    score(predictions, labels)              the task's own metric; higher is better
    tokenizer_agreement(folder, model, options, inputs)
                                            share of texts that the IR's tokenizer gets right

A task that optimum does not know by its own name says in EXPORTED_AS as which one its models are
exported. Inputs and outputs are dicts of tensor name to NumPy array, batch 1, one dict per sample.
"""

INTERFACE = (
    "FILES",
    "TOOLCHAIN",
    "RUNS_WITH",
    "JUDGED_WITH",
    "Options",
    "Resolved",
    "resolve",
    "finish",
    "METRIC",
    "calibration",
    "validation",
    "sized",
    "size",
    "original",
    "embed",
    "predictions",
    "labels",
    "score",
    "tokenizer_agreement",
)
