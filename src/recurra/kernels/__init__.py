"""How a recurrence runs over time; nothing here knows of `torch.nn.Module`."""

from recurra.kernels.dispatch import Choice, choose, explain, use_kernel
from recurra.kernels.layout import Layout

__all__ = ["Choice", "Layout", "choose", "explain", "use_kernel"]
