"""The recurrent layers of a network by names that a reader understands."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from recurra.errors import DataError
from recurra.kernels.trace import Trace
from recurra.nn.stack import Recurrent

__all__ = ["NamedLayer", "layer_name", "named_layers"]


class NamedLayer(NamedTuple):
    """One direction of one layer.

    Attributes:
        name: such as "encoder, layer 1, backwards"; a direction is named where there are two.
        module: that it belongs to.
        layer: its number there, the first is 0.
        backwards: whether it reads from the end.
    """

    name: str
    module: Recurrent
    layer: int
    backwards: bool

    @property
    def weight_hh(self) -> Tensor:
        """Its recurrent weights, the parameter itself, [G * H, H]."""
        found: Tensor = getattr(self.module, f"weight_hh_l{self.layer}{'_reverse' * self.backwards}")
        return found


def named_layers(network: nn.Module) -> list[NamedLayer]:
    """List each direction of each recurrent layer of a network, in the order in which its modules were made.

    >>> from recurra.nn import GRU
    >>> [layer.name for layer in named_layers(nn.ModuleDict({"encoder": GRU(1, 2, num_layers=2)}))]
    ['encoder, layer 1', 'encoder, layer 2']
    """
    found = []
    for path, module in network.named_modules():
        if isinstance(module, Recurrent):
            parts = [part for part in path.split(".") if part and part != "recurrent"]
            for layer in range(module.num_layers):
                for backwards in (False, True)[: module.num_directions]:
                    direction = ["backwards" if backwards else "forwards"] if module.bidirectional else []
                    name = ", ".join([*parts, f"layer {layer + 1}", *direction])
                    found.append(NamedLayer(name, module, layer, backwards))
    return found


def layer_name(network: nn.Module, trace: Trace) -> str:
    """Tell the name of the layer that a trace was recorded of, in evaluation mode.

    Raises:
        DataError: it is none of the network's.
    """
    for layer in named_layers(network):
        if layer.weight_hh is trace.weights.weight_hh:
            return layer.name
    raise DataError("diagnose: a layer was traced that is none of the network's")
