"""Content addressing: CIDs, UnixFS, CARs, gateways, pull. It knows nothing of models."""
