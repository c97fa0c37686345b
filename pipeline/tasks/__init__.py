"""What models are for: one file per task, named as in params.yaml with underscores for hyphens.

Each has
    FILES                                   patterns of the source files it needs beside the weights
    TOOLCHAIN                               distributions whose versions decide its inputs
    Options                                 a Record: `options:` of a model's entry
    METRIC                                  the name of the task's own score
    calibration(model, source)              inputs that full quantization may look at
    validation(model, source)               inputs that fidelity and score are measured on
    sized(model, source, length)            one input of that length, for benchmarks
    original(model, source)                 the PyTorch model at fp32, as inputs -> outputs
    embed(options, inputs, outputs)         the vector that cosine similarity is taken of
    predictions(vectors)                    what those vectors say, one figure per label
    labels(model)                           what predictions are held against
    score(predictions, labels)              the task's own metric; higher is better
    tokenizer_agreement(folder, model, inputs)   share of texts that the IR's tokenizer gets right

Inputs and outputs are dicts of tensor name to NumPy array, batch 1, one dict per sample.
"""
