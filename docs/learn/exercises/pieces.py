"""Exercise 10, pitfalls: train a language model on a long text in pieces, without a leak and with a state.

Read first: pitfalls.md. Check yourself: python docs/learn/exercises/pieces.py
"""

from __future__ import annotations

import torch
from checking import Wrong, run, same
from torch import Tensor, nn
from torch.nn import functional

import recurra.nn


class Model(nn.Module):
    """A small language model of V = 6 symbols: `logits, state = model(ids, state)`, ids [T, B], logits [T, B, V]."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(6, 3)
        self.recurrent = recurra.nn.LSTM(3, 5)
        self.output = nn.Linear(5, 6)

    def forward(self, ids: Tensor, state: tuple[Tensor, Tensor] | None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """The logits of what comes after each symbol, and the state after the last."""
        outputs, state = self.recurrent(self.embedding(ids), state)
        return self.output(outputs), state


def losses(model: Model, ids: Tensor, steps: int) -> list[float]:
    """Read a text in pieces, and send each piece's loss back.

    The loss of a piece is the mean cross-entropy of the symbol that comes *next*. The state goes on from piece to
    piece, the gradient does not. Call `backward` on the loss of each piece, and let gradients add up: no optimiser.

    Args:
        model: begins with the state None.
        ids: [T, B]. The last symbol is a target only, so there are T - 1 inputs.
        steps: inputs in a piece; the last piece may have fewer.

    Returns:
        The loss of each piece.
    """
    return None  # write this


def check(losses=losses) -> None:
    """Compare losses and gradients with a text read by recurra.nn.truncated."""
    torch.manual_seed(0)
    ids, model = torch.randint(6, (24, 2)), Model()
    inputs, targets = ids[:-1], ids[1:]
    right = [
        functional.cross_entropy(model.output(chunk.output).flatten(0, 1), targets[chunk.steps].flatten())
        for chunk in recurra.nn.truncated(model.recurrent, model.embedding(inputs), 10)
    ]
    expected = torch.autograd.grad(torch.stack(right).sum(), list(model.parameters()))
    try:
        found = losses(model, ids, 10)
    except RuntimeError as error:
        if "second time" in str(error):
            raise Wrong("the graph of the piece before is still on the state; detach h and c between pieces") from error
        raise
    if found is not None and len(found) != 3:
        raise Wrong(f"23 inputs in pieces of 10 are 3 losses, found {len(found)}; mind the last piece")
    if found is None:
        same("the losses", None, 0.0)
    same("the losses", torch.tensor(found), torch.stack(right), _mistakes(model, ids))
    for (name, parameter), gradient in zip(model.named_parameters(), expected):
        if parameter.grad is None:
            raise Wrong("no gradient has arrived; call backward on the loss of each piece")
        whole = {
            "it crosses from piece to piece; detach the state instead of keeping the graph": _whole(model, ids)[name]
        }
        same(f"the gradient of {name}", parameter.grad, gradient, whole)


def _piece(model: Model, inputs: Tensor, targets: Tensor, state) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    logits, state = model(inputs, state)
    return functional.cross_entropy(logits.flatten(0, 1), targets.flatten()), state


def _mistakes(model: Model, ids: Tensor) -> dict[str, Tensor]:
    def mistaken(targets: Tensor, carried: bool) -> Tensor:
        found, state = [], None
        for inputs, wanted in zip(ids[:-1].split(10), targets.split(10)):
            loss, state = _piece(model, inputs, wanted, state if carried else None)
            found.append(loss.detach())
        return torch.stack(found)

    return {
        "each piece begins with an empty state; hand on the state of the piece before": mistaken(ids[1:], False),
        "the targets are the inputs; the symbol that comes next is one step later": mistaken(ids[:-1], True),
    }


def _whole(model: Model, ids: Tensor) -> dict[str, Tensor]:
    """The gradients without a cut between the pieces."""
    total, state = torch.zeros(()), None
    for inputs, wanted in zip(ids[:-1].split(10), ids[1:].split(10)):
        loss, state = _piece(model, inputs, wanted, state)
        total = total + loss
    names, parameters = zip(*model.named_parameters())
    return dict(zip(names, torch.autograd.grad(total, parameters)))


if __name__ == "__main__":
    run(check)
