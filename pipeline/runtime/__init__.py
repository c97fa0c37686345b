"""Artifacts at work: found by name or CID, verified, compiled and fed what people have.

`load` gives a typed object that raises. `OpenVINOBackend` is the same for callers of IPFS
Accelerate: dictionaries in and out.
"""
