"""How a recurrence runs over time; nothing here knows of `torch.nn.Module`."""

from recurra.kernels.dispatch import Choice, choose, use_kernel
from recurra.kernels.layout import Layout

__all__ = ["Choice", "Layout", "choose", "use_kernel"]
