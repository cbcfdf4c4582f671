"""`accelerate` and `restore`: a model's `torch.nn` layers run by recurra's kernels, and back.

A layer stays the object that it is; only its class changes, to a subclass that brings another ``forward``. So its
parameters, its hooks and whatever holds a reference to it are none the wiser.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from recurra.errors import SettingsError
from recurra.nn.accelerated import Accelerated, accelerated_class, left_to_torch, torch_class
from recurra.nn.stack import Recurrent

__all__ = ["Report", "Swap", "accelerate", "restore"]

_LAYERS = (nn.RNN, nn.LSTM, nn.GRU)
_KINDS = {f"{kind}{cell}" for kind in ("RNN", "LSTM", "GRU") for cell in ("", "Cell")}
# What the forward of torch's layers calls on the layer, and recurra's does not.
_CALLED_BY_TORCH = (
    "check_input",
    "check_hidden_size",
    "check_forward_args",
    "permute_hidden",
    "get_expected_hidden_size",
    "get_expected_cell_size",
    "_update_flat_weights",
    "_weights_have_changed",
)
_OURS = set(dir(Accelerated)) - set(dir(nn.RNNBase))  # the names that a layer gets


class Swap(NamedTuple):
    """What became of one layer.

    Attributes:
        name: where it stands in the model, as `named_modules` says it.
        layer: its class and sizes, before.
        outcome: what was done.
        why: the reason, in plain words.
    """

    name: str
    layer: str
    outcome: Literal["swapped", "left", "restored"]
    why: str


@dataclass(frozen=True)
class Report:
    """What became of a model's recurrent layers; as text, a table.

    Attributes:
        layers: one entry for each, in the order of `named_modules`; a layer that stands in several places once.
    """

    layers: tuple[Swap, ...]

    @property
    def swapped(self) -> list[str]:
        """The names of the layers that were swapped."""
        return [swap.name for swap in self.layers if swap.outcome == "swapped"]

    @property
    def left(self) -> list[str]:
        """The names of the layers that were left as they were."""
        return [swap.name for swap in self.layers if swap.outcome == "left"]

    @property
    def restored(self) -> list[str]:
        """The names of the layers that were restored."""
        return [swap.name for swap in self.layers if swap.outcome == "restored"]

    def __str__(self) -> str:
        if not self.layers:
            return "no recurrent layer"
        rows = [(swap.outcome, swap.name or "(the module itself)", swap.layer, swap.why) for swap in self.layers]
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        return "\n".join("  ".join([*map(str.ljust, row, widths), row[3]]) for row in rows)


def accelerate(module: nn.Module) -> Report:
    """Let recurra run every `nn.RNN`, `nn.LSTM` and `nn.GRU` inside a module, which may itself be one.

    Each such layer stays the object that it is, with its parameters, their names, its hooks and its training mode; only
    its class becomes a subclass of its own class, with another ``forward``. Optimisers, `state_dict`,
    `DistributedDataParallel`, `copy.deepcopy` and `torch.save` go on as before; a model saved whole needs recurra to
    be loaded, its `state_dict` does not. Outputs and gradients are those of the torch layer, up to rounding, and errors
    are its own. In addition a swapped layer takes ``lengths``, as those of `recurra.nn`.

    In training, ``dropout`` between the layers of a stack drops the same share of values, but not the same values for
    the same seed. What recurra does not run, such as CUDA tensors, float16 and autocast, and what `torch.jit.trace`,
    `torch.export` and ONNX export look at, goes to torch's ``forward``. Code that looks for a layer's exact class no
    longer finds it: restore a model before `torch.ao.quantization.quantize_dynamic`.

    Args:
        module: any model. Layers that it keeps in a plain list or dict, outside its submodules, are not found.

    Returns:
        What was swapped and what was left, and why. Where no layer is swapped, now or before, a warning says so too.

    Raises:
        SettingsError: not a module.

    >>> model = torch.nn.Sequential(torch.nn.Embedding(10, 4), torch.nn.LSTM(4, 8))
    >>> print(accelerate(model))
    swapped  1  LSTM(4, 8)  shares its 4 parameters
    >>> print(restore(model))
    restored  1  LSTM(4, 8)  torch's own forward again
    """
    swaps = []
    for name, layer in _modules(module):
        shown = _shown(layer)
        if isinstance(layer, Accelerated):
            swaps.append(Swap(name, shown, "left", "already accelerated"))
        elif isinstance(layer, _LAYERS):
            refused = _refusal(layer) or _change(layer, accelerated_class)
            swaps.append(Swap(name, shown, "left", refused) if refused else Swap(name, shown, "swapped", _how(layer)))
        else:
            foreign = _foreign(layer)
            if foreign:
                swaps.append(Swap(name, shown, "left", foreign))
    report = Report(tuple(swaps))
    if not any(isinstance(layer, Accelerated) for layer in module.modules()):
        warnings.warn(f"accelerate swapped nothing: {report}", stacklevel=2)
    return report


def restore(module: nn.Module) -> Report:
    """Undo :func:`accelerate`: give every swapped layer inside a module its very class back.

    Args:
        module: any model.

    Returns:
        What was restored.

    Raises:
        SettingsError: not a module.
    """
    swaps = []
    for name, layer in _modules(module):
        if isinstance(layer, Accelerated):
            _change(layer, torch_class)
            swaps.append(Swap(name, _shown(layer), "restored", "torch's own forward again"))
    return Report(tuple(swaps))


def _modules(module: nn.Module) -> list[tuple[str, nn.Module]]:
    if not isinstance(module, nn.Module):
        raise SettingsError(f"module: expected a torch.nn.Module, got {type(module).__name__}")
    return list(module.named_modules())


def _change(layer: nn.Module, change: Callable[[type[nn.RNNBase]], type[nn.RNNBase]]) -> str | None:
    """Change a layer's class; return why that cannot be, if so."""
    cls = cast(type[nn.RNNBase], type(layer))
    try:
        if is_parametrized(layer):
            # such a class is made for one layer, on top of the layer's own; make it anew on top of another
            body = {name: value for name, value in vars(cls).items() if name not in ("__dict__", "__weakref__")}
            layer.__class__ = type(cls)(  # type: ignore[misc]
                cls.__name__, (change(cls.__bases__[0]),), body
            )
        else:
            layer.__class__ = change(cls)
    except TypeError as error:  # a class that refuses subclasses, or asks something of them
        return f"its class cannot be extended: {error}"
    return None


def _refusal(layer: nn.Module) -> str | None:
    """Return why a layer of torch's, or of a subclass, must stay as it is."""
    base = next(kind for kind in _LAYERS if isinstance(layer, kind))
    if "forward" in vars(layer):
        return "its forward was replaced by another on this layer"
    for owner in type(layer).__mro__[: type(layer).__mro__.index(base)]:
        forward = vars(owner).get("forward")
        if forward is not None and "super" not in getattr(forward, "__code__", forward).co_names:
            return f"{owner.__name__} has a forward of its own, which does not call torch's through super()"
    taken = sorted(_OURS & {*vars(layer), *dir(type(layer))})
    if taken:
        return f"{type(layer).__name__} has {taken[0]} of its own, a name that recurra's forward needs"
    for name in _CALLED_BY_TORCH:
        if getattr(type(layer), name, None) is not getattr(base, name, None):
            return f"{type(layer).__name__} overrides {name}, which only torch's forward calls"
    return None


def _foreign(layer: nn.Module) -> str | None:
    """Return what a module is that is recurrent but not of torch's three layers; None for any other."""
    scripted = getattr(layer, "original_name", None) if isinstance(layer, torch.jit.ScriptModule) else None
    if scripted in _KINDS:
        return "compiled by TorchScript, which holds torch's own kernel"
    if type(layer).__module__.startswith("torch.ao.") and type(layer).__name__ in _KINDS:
        return "quantized, or prepared for it: its arithmetic is not that of torch.nn"
    if isinstance(layer, Recurrent):
        return "recurra's own already"
    if isinstance(layer, nn.RNNCellBase):
        return "a cell runs one step a call: the loop over time is the model's"
    if isinstance(layer, nn.RNNBase):
        return "neither an RNN nor an LSTM nor a GRU of torch.nn"
    return None


def _how(layer: nn.RNNBase) -> str:
    torchs = left_to_torch(cast(Tensor, layer.weight_ih_l0))
    shares = f"shares its {len(list(layer.parameters()))} parameters"
    return f"{shares}; {torchs}" if torchs else shares


def _shown(layer: nn.Module) -> str:
    name = torch_class(type(layer)).__name__ if isinstance(layer, Accelerated) else type(layer).__name__
    return f"{name}({layer.extra_repr()})"
