"""Positions of tokens, counted by the network itself where it is asked for vectors.

optimum-intel gives most decoders an input `position_ids`. Consumers of embedding models do not feed
it: openvino.genai 2026.4 gives wrong vectors then and does not say so.
"""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import openvino as ov


def from_mask(network: "ov.Model") -> None:
    """Replace the input `position_ids`, if there is one, by the number of real tokens before each.

    So a text has the same vectors wherever it is padded.
    """
    import openvino.opset13 as op

    for parameter in network.get_parameters():
        port = parameter.output(0)
        if "position_ids" not in port.get_names() or port.get_partial_shape().rank != 2:
            continue
        real = op.convert(network.input("attention_mask").get_node(), port.get_element_type())
        counted = op.cum_sum(real, np.int64(1), exclusive=True)
        counted.set_friendly_name("position_ids")
        for target in port.get_target_inputs():
            target.replace_source_output(counted.output(0))
        network.remove_parameter(parameter)
    network.validate_nodes_and_infer_types()
