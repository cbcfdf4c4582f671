"""A layer of `torch.nn` as a graph of ONNX operators, run by onnxruntime one step at a time. Both are optional."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

__all__ = ["step_of"]

_ORDERS = {"lstm": [0, 3, 1, 2], "gru": [1, 0, 2], "rnn": [0]}  # ONNX's gates i, o, f, g and z, r, n by torch's number
_OPSET = 17


def step_of(layer: Any, cell: str, quantised: bool = False) -> Callable[[Tensor, Any], tuple[Tensor, Any]]:
    """A function (input [B, I], state) -> (output [B, H], state) that runs the layer by onnxruntime.

    Args:
        layer: of `torch.nn`.
        cell: lstm, gru or rnn (tanh).
        quantised: with int8 weights, by onnxruntime's dynamic quantisation, which knows LSTM alone.

    Raises:
        ImportError: onnx or onnxruntime is not installed.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    model = _model(layer, cell)
    model = _quantised(model) if quantised else model
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    states = [value.name for value in session.get_inputs()][1:]
    parts = 2 if cell == "lstm" else 1

    def step(x: Tensor, state: Any) -> tuple[Tensor, Any]:
        state = state or [np.zeros((1, len(x), layer.hidden_size), np.float32) for _ in states]
        state = session.run(None, {"x": x.unsqueeze(0).numpy(), **dict(zip(states, state))})
        return torch.from_numpy(state[-parts]).squeeze(0), state  # the last layer's h is its output at its only step

    return step


def _model(layer: Any, cell: str) -> Any:
    from onnx import TensorProto, checker, helper, numpy_helper

    def value(name: str, *shape: int | str) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))

    hidden = layer.hidden_size
    parts = ["h", "c"][: 2 if cell == "lstm" else 1]
    inputs, outputs, weights, nodes = [value("x", 1, "B", layer.input_size)], [], [], []
    source = "x"
    for number in range(layer.num_layers):
        names = [f"{name}{number}" for name in "WRB"]
        for name, array in zip(names, _weights(layer, number, cell)):
            weights.append(numpy_helper.from_array(array, name))
        befores, afters = ([f"{part}{number}_{when}" for part in parts] for when in ("before", "after"))
        inputs += [value(name, 1, "B", hidden) for name in befores]
        outputs += [value(name, 1, "B", hidden) for name in afters]
        options: dict[str, Any] = {"linear_before_reset": 1} if cell == "gru" else {}
        given, found = [source, *names, "", *befores], ["", *afters]
        nodes.append(helper.make_node(cell.upper(), given, found, hidden_size=hidden, **options))
        source = afters[0]  # [1, B, H], as one step of the input
    graph = helper.make_graph(nodes, "layer", inputs, outputs, weights)
    opset = [helper.make_opsetid("", _OPSET)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    checker.check_model(model)
    return model


def _quantised(model: Any) -> Any:
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)  # that shapes were not inferred first: there are none to infer
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "quantised.onnx")
            quantize_dynamic(model, path, weight_type=QuantType.QInt8, per_channel=True)
            return onnx.load(str(path))
    finally:
        logging.disable(disabled)


def _weights(layer: nn.Module, number: int, cell: str) -> list[NDArray[np.float32]]:
    """W, R and B of one layer, the gates in ONNX's order."""

    def ordered(name: str) -> NDArray[np.float32]:
        tensor: Tensor = getattr(layer, f"{name}_l{number}").detach()
        gates = tensor.chunk(len(_ORDERS[cell]))
        return torch.cat([gates[gate] for gate in _ORDERS[cell]]).numpy()

    biases = np.concatenate([ordered("bias_ih"), ordered("bias_hh")])
    return [ordered("weight_ih")[None], ordered("weight_hh")[None], biases[None]]
