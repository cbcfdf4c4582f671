"""A linear chain over tags: what one tag says of the next, exact at every length."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from recurra.errors import RecurraError, SettingsError, ShapeError
from recurra.kernels.layout import Layout

__all__ = ["CRF", "Moves"]


class Moves(NamedTuple):
    """Which tags may stand where, true where they may.

    Attributes:
        start_allowed: [K], at the first token.
        end_allowed: [K], at the last token.
        moves_allowed: [K, K], the tag of the column right after that of the row.
    """

    start_allowed: Tensor
    end_allowed: Tensor
    moves_allowed: Tensor


class CRF(nn.Module):
    r"""A linear-chain conditional random field over K tags.

    The tags y of a sequence with emissions e have probability

    .. math:: p(y) = \exp(start_{y_1} + \sum_t e_{t, y_t} + \sum_t transitions_{y_{t-1}, y_t} + end_{y_T}) / Z

    with Z the sum over all K^T paths; the one path of an empty sequence has probability 1 (Lafferty, McCallum, Pereira,
    "Conditional random fields", ICML 2001; over recurrent layers: Lample et al., "Neural architectures for named entity
    recognition", NAACL 2016). Everything is computed in the logarithm and in the dtype of the parameters. The scores
    are brought back to a largest of zero at every step, so that long sequences lose no precision.

    Args:
        tags: K.
        moves: what is possible; a path with anything else has probability 0 exactly. None when all is.

    Raises:
        SettingsError: fewer than one tag, or nothing possible at the first or at the last token.
        ShapeError: masks that are no booleans of these shapes.

    >>> crf = CRF(2, Moves(torch.tensor([True, False]), torch.tensor([True, True]), torch.eye(2) < 1))
    >>> crf.decode(torch.zeros(3, 2), Layout.full(time=3, batch=1)).tolist()
    [0, 1, 0]
    """

    start_forbidden: Tensor | None
    end_forbidden: Tensor | None
    moves_forbidden: Tensor | None

    def __init__(self, tags: int, moves: Moves | None = None) -> None:
        super().__init__()
        if tags < 1:
            raise SettingsError(f"tags: expected at least 1, got {tags}")
        self.transitions = nn.Parameter(torch.zeros(tags, tags))
        self.start = nn.Parameter(torch.zeros(tags))
        self.end = nn.Parameter(torch.zeros(tags))
        if moves is not None:
            _check_moves(moves, tags)
        for name in ("start", "end", "moves"):
            forbidden = None if moves is None else ~getattr(moves, f"{name}_allowed")
            self.register_buffer(f"{name}_forbidden", forbidden, persistent=False)  # an argument, nothing learnt

    def negative_log_likelihood(self, emissions: Tensor, layout: Layout, tags: Tensor) -> Tensor:
        """-log p of the given tags, [B] in the original order of the sequences; infinite where they are not possible.

        It can be differentiated once.

        Args:
            emissions: [N, K], packed.
            layout: how the rows are arranged.
            tags: [N], packed.

        Raises:
            ShapeError: tensors that do not fit together, or a tag that is not in 0..K-1.
        """
        emissions = self._checked(emissions, layout)
        if tags.shape != emissions.shape[:1]:
            raise ShapeError(f"tags: expected one for each of {len(emissions)} tokens, got {tuple(tags.shape)}")
        if len(tags) and (int(tags.min()) < 0 or int(tags.max()) >= len(self.start)):
            raise ShapeError(f"tags: expected 0 to {len(self.start) - 1}, got {int(tags.min())} to {int(tags.max())}")
        likelihoods: Tensor = _NegativeLogLikelihood.apply(emissions, *self.scores(), layout, tags)  # type: ignore[no-untyped-call]
        return likelihoods

    @torch.no_grad()
    def decode(self, emissions: Tensor, layout: Layout) -> Tensor:
        """The most probable tags, [N] packed (Viterbi 1967).

        Args:
            emissions: [N, K], packed.
            layout: how the rows are arranged.

        Raises:
            SettingsError: a sequence has no possible path.
            ShapeError: tensors that do not fit together.
        """
        emissions = self._checked(emissions, layout)
        tags = emissions.new_zeros(len(emissions), dtype=torch.int64)
        if not len(tags):
            return tags
        transitions, start, end = self.scores()
        arrival = start.expand(layout.batch_sizes[0], -1)
        scores: list[Tensor] = []
        pointers: list[Tensor] = []
        for t, emission in enumerate(emissions.split(layout.batch_sizes)):
            if t:
                arrival, pointer = (scores[-1][: len(emission)].unsqueeze(2) + transitions).max(1)
                pointers.append(pointer)
            score = arrival + emission
            scores.append(score - _finite(score.amax(1, keepdim=True)))
        last = layout.last_rows().to(emissions.device)
        best, tags[last] = (torch.cat(scores)[last] + end).max(1)
        _check_possible(best, layout)
        steps = tags.split(layout.batch_sizes)
        for before, after, pointer in zip(steps[-2::-1], steps[:0:-1], pointers[::-1]):
            before[: len(after)] = pointer.gather(1, after.unsqueeze(1)).squeeze(1)
        return tags

    @torch.no_grad()
    def marginals(self, emissions: Tensor, layout: Layout) -> Tensor:
        """The probability of each tag at each token, over all paths: [N, K], packed.

        Args:
            emissions: [N, K], packed.
            layout: how the rows are arranged.

        Raises:
            SettingsError: a sequence has no possible path.
            ShapeError: tensors that do not fit together.
        """
        emissions = self._checked(emissions, layout)
        transitions, start, end = self.scores()
        if not len(emissions):
            return emissions
        filtered = _filter(emissions, transitions, start, layout.batch_sizes)
        last = layout.last_rows().to(emissions.device)
        closing = filtered.scores[last] + end
        _check_possible(closing.amax(1), layout)
        marginals, _ = _smooth(filtered, transitions, closing.softmax(1), last, layout.batch_sizes)
        return marginals

    def _checked(self, emissions: Tensor, layout: Layout) -> Tensor:
        expected = (layout.tokens, len(self.start))
        if emissions.shape != expected:
            raise ShapeError(f"emissions: expected [N, K] = {expected}, got {tuple(emissions.shape)}")
        return emissions.to(self.transitions.dtype)

    def scores(self) -> tuple[Tensor, Tensor, Tensor]:
        """The transitions, start and end, minus infinity for what is not possible."""
        pairs = (
            (self.transitions, self.moves_forbidden),
            (self.start, self.start_forbidden),
            (self.end, self.end_forbidden),
        )
        transitions, start, end = (s if mask is None else s.masked_fill(mask, -torch.inf) for s, mask in pairs)
        return transitions, start, end


class _Filtered(NamedTuple):
    """What is known of the tag of each token from the tokens up to it.

    Attributes:
        scores: [N, K], log p(tag | tokens so far) less its largest.
        arrivals: [N, K], the logarithm of what the paths up to the step before bring to each tag; 0 in place of -inf.
        levels: [N], by how much the scores were lowered.
    """

    scores: Tensor
    arrivals: Tensor
    levels: Tensor


def _filter(emissions: Tensor, transitions: Tensor, start: Tensor, batch_sizes: list[int]) -> _Filtered:
    """Forward in time, over sequences that are not all empty."""
    arrivals = [start.expand(batch_sizes[0], -1)]
    scores: list[Tensor] = []
    levels: list[Tensor] = []
    for t, emission in enumerate(emissions.split(batch_sizes)):
        if t:
            arrivals.append(torch.logsumexp(scores[-1][: len(emission)].unsqueeze(2) + transitions, dim=1))
        score = arrivals[-1] + emission
        levels.append(_finite(score.amax(1, keepdim=True)))
        scores.append(score - levels[-1])
    return _Filtered(torch.cat(scores), _finite(torch.cat(arrivals)), torch.cat(levels).squeeze(1))


def _smooth(
    filtered: _Filtered, transitions: Tensor, closing: Tensor, last: Tensor, batch_sizes: list[int]
) -> tuple[Tensor, Tensor]:
    """Back in time: what the tokens after it say of each tag.

    p(y_t, y_t+1 | all) = p(y_t | y_t+1, tokens up to t) p(y_t+1 | all), so only shares are multiplied, never
    exponentials of scores, and nothing overflows.

    Args:
        filtered: of the way forward.
        transitions: [K, K].
        closing: p(tag | all) at the last token of each sequence that is not empty, in sorted order, or a multiple.
        last: the rows of these tokens.
        batch_sizes: of the layout.

    Returns:
        p(tag | all) [N, K] and the expected number of each move [K, K], each sequence with its multiple.
    """
    marginals = torch.zeros_like(filtered.scores)
    marginals[last] = closing
    moves = torch.zeros_like(transitions)
    steps = list(zip(*(part.split(batch_sizes) for part in (filtered.scores, filtered.arrivals, marginals))))
    for (scores, _, before), (_, arrivals, after) in zip(steps[-2::-1], steps[:0:-1]):
        running = len(after)
        shares = (scores[:running].unsqueeze(2) + transitions - arrivals.unsqueeze(1)).exp_()  # [b, K, K]
        pairs = shares.mul_(after.unsqueeze(1))
        before[:running] = pairs.sum(2)
        moves += pairs.sum(0)
    return marginals, moves


class _NegativeLogLikelihood(torch.autograd.Function):
    """-log p of tags; the gradients are what is expected less what is observed."""

    @staticmethod
    def forward(
        ctx: Any, emissions: Tensor, transitions: Tensor, start: Tensor, end: Tensor, layout: Layout, tags: Tensor
    ) -> Tensor:
        ctx.layout = layout
        found = emissions.new_zeros(layout.batch)
        if not len(emissions):
            return found
        sequences = layout.row_positions[1].to(emissions.device)
        first, last = layout.batch_sizes[0], layout.last_rows().to(emissions.device)
        before = _row_before(layout).to(emissions.device)
        filtered = _filter(emissions, transitions, start, layout.batch_sizes)
        closing = filtered.scores[last] + end
        total = _finite(torch.logsumexp(closing, dim=1, keepdim=True))
        came = torch.cat([start[tags[:first]], transitions[tags[before], tags[first:]]])
        of_tags = came + emissions.gather(1, tags.unsqueeze(1)).squeeze(1)
        # token by token and not sum by sum: a difference of two large sums would lose digits
        found.index_add_(0, sequences, filtered.levels - of_tags)
        found.index_add_(0, sequences[last], total.squeeze(1) - end[tags[last]])
        ctx.save_for_backward(*filtered, transitions, (closing - total).exp_(), tags, sequences, last, before)
        return found

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():  # the gradient would be taken for a constant
            raise RecurraError("a CRF's likelihood can be differentiated only once: take create_graph=True away")
        layout, (grad,) = ctx.layout, grads
        if not layout.batch_sizes:
            return None, None, None, None, None, None
        *filtered, transitions, closing, tags, sequences, last, before = ctx.saved_tensors
        first, weights = layout.batch_sizes[0], grad[sequences]
        closing = closing * weights[last].unsqueeze(1)
        of_emissions, of_transitions = _smooth(_Filtered(*filtered), transitions, closing, last, layout.batch_sizes)
        of_emissions.scatter_add_(1, tags.unsqueeze(1), -weights.unsqueeze(1))
        of_transitions.index_put_((tags[before], tags[first:]), -weights[first:], accumulate=True)
        of_end = closing.sum(0).index_add_(0, tags[last], -weights[last])
        return of_emissions, of_transitions, of_emissions[:first].sum(0), of_end, None, None


def _row_before(layout: Layout) -> Tensor:
    """The packed row of the token before each that is not a first one."""
    sizes = torch.tensor(layout.batch_sizes, device="cpu")
    return torch.arange(layout.batch_sizes[0], layout.tokens, device="cpu") - sizes[:-1].repeat_interleave(sizes[1:])


def _finite(scores: Tensor) -> Tensor:
    """Zero in place of minus infinity: what is subtracted from scores that are all -inf, and must leave them so."""
    return scores.masked_fill(scores == -torch.inf, 0.0)


def _check_possible(best: Tensor, layout: Layout) -> None:
    impossible = (best == -torch.inf).cpu()
    if impossible.any():
        length = int(layout.sorted_lengths()[: len(best)][impossible].max())
        raise SettingsError(f"moves: they leave no path through a sequence of {length} tokens; allow more of them")


def _check_moves(moves: Moves, tags: int) -> None:
    for name, allowed, shape in zip(Moves._fields, moves, ((tags,), (tags,), (tags, tags))):
        if allowed.dtype != torch.bool or allowed.shape != shape:
            found = f"{allowed.dtype} {tuple(allowed.shape)}"
            raise ShapeError(f"{name}: expected torch.bool {shape}, got {found}")
    for name in ("start_allowed", "end_allowed"):
        if not getattr(moves, name).any():
            raise SettingsError(f"{name}: expected at least one tag that is allowed, found none")
