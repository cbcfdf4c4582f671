"""A stack of torch's recurrent layers as an ONNX model of one time step, and how onnxruntime runs it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import Tensor, nn

__all__ = ["onnx_step", "write_onnx", "write_quantised"]

ORDER = {"LSTM": [0, 3, 1, 2], "GRU": [1, 0, 2]}  # ONNX has the gates i, o, f, c and z, r, h


def write_onnx(layer: nn.RNNBase, path: Path) -> None:
    """Write a model with inputs x [1, B, I] and the states [L, B, H], and outputs y [1, B, H] and the new states."""
    kind = type(layer).__name__
    names = ["h", "c"] if kind == "LSTM" else ["h"]
    nodes, initial, current = [], [], "x"
    for state in names:  # one state of one layer each
        pieces = [f"{state}_{number}" for number in range(layer.num_layers)]
        nodes.append(helper.make_node("Split", [state], pieces, axis=0, num_outputs=layer.num_layers))
    for number in range(layer.num_layers):
        weights = _weights(layer, kind, number)
        initial += [numpy_helper.from_array(value, f"{name}{number}") for name, value in weights.items()]
        states = [f"{state}_{number}" for state in names]
        options: dict[str, Any] = {"linear_before_reset": 1} if kind == "GRU" else {}
        nodes.append(
            helper.make_node(
                kind,
                [current, f"W{number}", f"R{number}", f"B{number}", "", *states],
                [f"all{number}", *(f"next_{state}" for state in states)],
                hidden_size=layer.hidden_size,
                **options,
            )
        )
        nodes.append(helper.make_node("Squeeze", [f"all{number}", "axis"], [f"y{number}"]))
        current = f"y{number}"
    initial.append(numpy_helper.from_array(np.array([1], dtype=np.int64), "axis"))
    nodes.append(helper.make_node("Identity", [current], ["y"]))
    for state in names:
        pieces = [f"next_{state}_{number}" for number in range(layer.num_layers)]
        nodes.append(helper.make_node("Concat", pieces, [f"next_{state}"], axis=0))
    sizes: dict[str, list[str | int | None]] = {"x": [1, "B", layer.input_size], "y": [1, "B", layer.hidden_size]}
    states = [*names, *(f"next_{state}" for state in names)]
    for state in states:
        sizes[state] = [layer.num_layers, "B", layer.hidden_size]
    values = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, size) for name, size in sizes.items()}
    inputs, outputs = ["x", *names], ["y", *(f"next_{state}" for state in names)]
    graph = helper.make_graph(nodes, "step", [values[n] for n in inputs], [values[n] for n in outputs], initial)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def write_quantised(path: Path, quantised: Path) -> None:
    """Write the model with int8 weights and inputs that are quantised as they come, by onnxruntime's own tool."""
    quantize_dynamic(path, quantised, weight_type=QuantType.QInt8, per_channel=True)


def onnx_step(path: Path, threads: int) -> Callable[..., list[Any]]:
    """A function of numpy arrays (x, states) to (y, new states)."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [given.name for given in session.get_inputs()]

    def step(*arrays: Any) -> list[Any]:
        return list(session.run(None, dict(zip(names, arrays))))

    return step


def _weights(layer: nn.RNNBase, kind: str, number: int) -> dict[str, Any]:
    def ordered(name: str) -> Any:
        parameter: Tensor = getattr(layer, f"{name}_l{number}")
        gates = parameter.detach().numpy().reshape(len(ORDER[kind]), layer.hidden_size, -1)
        return gates[ORDER[kind]].reshape(1, -1, gates.shape[-1])

    biases = np.concatenate([ordered("bias_ih").reshape(1, -1), ordered("bias_hh").reshape(1, -1)], axis=1)
    return {"W": ordered("weight_ih"), "R": ordered("weight_hh"), "B": biases}
