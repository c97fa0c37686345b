"""Names in params.yaml become verified OpenVINO IR folders, each known by its CID.

Importing this package turns telemetry off for the process: OpenVINO and NNCF import
`openvino_telemetry` only if they can, and use a stub otherwise.
"""

import os
import sys

sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("NNCF_CI", "1")
