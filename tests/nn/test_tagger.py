"""The tagger's network: against torch.nn, alone and in company, and on tasks with a known answer."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_sequence

from recurra.batch import Spelling, TokenBatch, make_token_batch
from recurra.config import TagModelConfig
from recurra.errors import SettingsError, ShapeError
from recurra.kernels.layout import Layout
from recurra.nn.crf import Moves
from recurra.nn.tagger import TaggerNetwork
from recurra.vocabulary import PADDING, UNKNOWN

LENGTHS = [3, 0, 6, 1, 6]
CELLS = ("lstm", "gru", "rnn", "rnn_relu", "feedforward")
# tag 2 only after 1 or 2, nothing begins with 2
MOVES = Moves(
    torch.tensor([True, True, False]),
    torch.tensor([True, True, True]),
    torch.tensor([[True, True, False], [True, True, True], [True, True, True]]),
)
HEADS = {"softmax": {"crf": False}, "crf": {"crf": True}, "constrained": {"crf": True, "moves": MOVES}}
WORDS, CHARACTERS = 9, 7


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def make_as_drawn(cell: str = "gru", characters: bool = True, **options: object) -> TaggerNetwork:
    settings = {
        "embedding_size": 5,
        "hidden_size": 4,
        "dropout": 0.0,
        "word_dropout": 0.0,
        "character_embedding_size": 3,
        "character_hidden_size": 2,
        **options,
    }
    moves = settings.pop("moves", None)
    config = TagModelConfig(cell=cell, characters=characters, **settings)
    return TaggerNetwork(WORDS, 3, config, character_vocabulary=CHARACTERS if characters else 0, moves=moves)


def loss_of(network: TaggerNetwork, batch: TokenBatch) -> Tensor:
    return network.loss(*network(batch), batch.labels)


def answer_of(network: TaggerNetwork, batch: TokenBatch) -> tuple[Tensor, Tensor]:
    """Tags and confidences as [B, T], zeros in the padding."""
    emissions, layout = network(batch)
    tags, confidences = (layout.unpack(part, batch.values.shape[1], True) for part in network.answer(emissions, layout))
    return tags, confidences


def make(cell: str = "gru", characters: bool = True, **options: object) -> TaggerNetwork:
    """Make one with opinions: what it answers is not the same everywhere."""
    network = make_as_drawn(cell, characters, **options)
    if network.crf is not None:
        for parameter in network.crf.parameters():
            nn.init.normal_(parameter)
    nn.init.normal_(network.embedding.weight[1:])
    nn.init.normal_(network.output.weight, std=3)
    return network


def spelling_of(sequences: list[list[int]]) -> Spelling:
    """Words of 1 to 4 characters, two of them alike in their beginning; word 8 has none."""
    spellings = [[2], [2, 3], [2, 3, 4], [3, 2], [4, 5, 6, 2], [5], [6, 6], [2, 2, 2], []]
    return Spelling(sequences, spellings)


def batch_of(sequences: list[list[int]], characters: bool = True) -> TokenBatch:
    labels = [[(1 + position + word) % 3 and 1 for position, word in enumerate(ids)] for ids in sequences]
    return make_token_batch(sequences, labels, spelling_of(sequences) if characters else None)


def some_sequences() -> list[list[int]]:
    rng = np.random.default_rng(5)
    return [rng.integers(1, WORDS, length).tolist() for length in LENGTHS]


def padded_further(batch: TokenBatch) -> TokenBatch:
    """The same with noise in more padding."""

    def widen(values: Tensor, high: int) -> Tensor:
        return torch.cat([values, torch.randint(high, (len(values), 3))], dim=1)

    characters = batch.characters
    if characters is not None:
        characters = characters._replace(
            values=widen(characters.values, CHARACTERS), of_token=widen(characters.of_token, len(characters.lengths))
        )
    return TokenBatch(widen(batch.values, WORDS), batch.lengths, widen(batch.labels, 3), characters)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("both", [True, False], ids=["both-ways", "one-way"])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_emissions_are_those_of_torch(cell, both, layers):
    network = make(cell, bidirectional=both, num_layers=layers)
    sequences = [ids for ids in some_sequences() if ids]
    batch = batch_of([[], *sequences])
    emissions, layout = network(batch)
    characters = getattr(nn, cell.upper())(3, 2, bidirectional=True)
    characters.load_state_dict(network.characters.recurrent.state_dict())
    words = getattr(nn, cell.upper())(5 + 4, 4, layers, bidirectional=both)
    words.load_state_dict(network.recurrent.state_dict())

    def spell(word: int) -> Tensor:
        ids = torch.tensor(spelling_of(sequences).characters[word], dtype=torch.int64)
        if not len(ids):
            return torch.zeros(4)
        outputs, _ = characters(network.characters.embedding(ids))
        return torch.cat([outputs[-1, :2], outputs[0, 2:]])

    vectors = [
        torch.cat([network.embedding(torch.tensor(ids)), torch.stack([spell(word) for word in ids])], dim=1)
        for ids in sequences
    ]
    outputs, _ = words(pack_sequence(vectors, enforce_sorted=False))
    expected = outputs.data @ network.output.weight.T + network.output.bias
    assert layout.batch_sizes == outputs.batch_sizes.tolist()
    torch.testing.assert_close(emissions, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("characters", [True, False], ids=["characters", "words"])
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("cell", CELLS)
def test_company_and_padding_change_nothing(cell, head, characters):
    network = make(cell, characters, num_layers=2, **HEADS[head])
    sequences = some_sequences()
    batch = batch_of(sequences, characters)
    tags, confidences = answer_of(network, batch)
    assert tags.shape == confidences.shape == (len(LENGTHS), 6)
    wide_tags, wide_confidences = answer_of(network, padded_further(batch))
    torch.testing.assert_close(wide_confidences[:, :6], confidences, rtol=0, atol=1e-5)
    assert torch.equal(wide_tags[:, :6], tags)
    torch.testing.assert_close(loss_of(network, padded_further(batch)), loss_of(network, batch), rtol=0, atol=1e-5)
    summed = 0.0
    for row, certain, ids in zip(tags, confidences, sequences):
        alone = batch_of([ids], characters)
        alone_tags, alone_confidences = answer_of(network, alone)
        assert row.tolist() == alone_tags[0].tolist() + [0] * (6 - len(ids))
        torch.testing.assert_close(certain[: len(ids)], alone_confidences[0], rtol=0, atol=1e-5)
        assert not certain[len(ids) :].any()
        summed += float(loss_of(network, alone).detach()) * len(ids)
    assert float(loss_of(network, batch).detach()) == pytest.approx(summed / sum(LENGTHS), abs=1e-5)


@pytest.mark.parametrize("sequences", [[], [[], []]], ids=["no sequence", "empty ones"])
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("cell", CELLS)
def test_nothing_to_tag(cell, head, sequences):
    network = make(cell, dropout=0.5, word_dropout=0.5, num_layers=2, **HEADS[head])
    batch = batch_of(sequences)
    loss = loss_of(network, batch)
    loss.backward()
    assert loss == 0
    assert all(p.grad is None or not p.grad.any() for p in network.parameters())
    tags, confidences = answer_of(network, batch)
    assert tags.shape == confidences.shape == (len(sequences), 0)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("cell", CELLS)
def test_gradient_reaches_every_parameter(cell, head):
    network = make(cell, num_layers=2, **HEADS[head])
    for name, parameter in network.named_parameters():
        if (name.endswith("bias") and "feedforward" in name) or (cell == "rnn_relu" and "bias_ih" in name):
            nn.init.constant_(parameter, 1.0)  # a rectifier that is off has no gradient
    loss_of(network, batch_of(some_sequences())).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name
    assert not network.embedding.weight.grad[PADDING].any()


@pytest.mark.parametrize("head", ["softmax", "crf"])
def test_loss_and_answers_are_those_of_all_paths(head):
    network = make(**HEADS[head])
    batch = batch_of([[3, 4, 8]])
    emissions, _ = network(batch)
    paths = list(itertools.product(range(3), repeat=3))
    scores = torch.stack([sum(e[tag] for e, tag in zip(emissions, path)) for path in paths])
    if network.crf is not None:
        crf = network.crf
        chain = [
            crf.start[p[0]] + crf.transitions[p[0], p[1]] + crf.transitions[p[1], p[2]] + crf.end[p[2]] for p in paths
        ]
        scores = scores + torch.stack(chain)
    shares = scores.softmax(0).tolist()
    share_of = dict(zip(paths, shares))
    expected = -np.log(share_of[tuple(batch.labels[0].tolist())]) / 3
    assert loss_of(network, batch).item() == pytest.approx(expected, rel=1e-4)
    tags, confidences = answer_of(network, batch)
    best = max(share_of, key=lambda path: share_of[path])
    assert tuple(tags[0].tolist()) == best
    for t, confidence in enumerate(confidences[0].tolist()):
        assert confidence == pytest.approx(sum(s for p, s in share_of.items() if p[t] == best[t]), rel=1e-4)


@pytest.mark.parametrize("cell", ["gru", "feedforward"])
def test_an_answer_never_makes_an_illegal_move(cell):
    network = make(cell, **HEADS["constrained"])
    with torch.no_grad():
        network.output.bias[2] = 30.0  # each emission says 2
    sequences = [np.random.default_rng(n).integers(1, WORDS, n % 12).tolist() for n in range(60)]
    batch = batch_of(sequences)
    assert (network(batch)[0].argmax(1) == 2).float().mean() > 0.9
    tags, confidences = answer_of(network, batch)
    for row, ids, certain in zip(tags.tolist(), sequences, confidences):
        path = row[: len(ids)]
        assert path[:1] != [2]
        assert all(MOVES.moves_allowed[a, b] for a, b in itertools.pairwise(path))
        assert (certain[: len(ids)] > 0).all()
    assert (tags == 2).any()


def train(network: TaggerNetwork, sequences: list[list[int]], labels: list[list[int]]) -> float:
    """Fit the first two thirds, all at once, and return the share of right tags, in evaluation, on the last third."""
    cut = 2 * len(sequences) // 3

    def batch(part: slice) -> TokenBatch:
        return make_token_batch(sequences[part], labels[part], spelling_of(sequences[part]))

    seen, unseen = batch(slice(cut)), batch(slice(cut, None))
    optimizer = torch.optim.AdamW(network.parameters(), 0.02)
    for _ in range(120):
        optimizer.zero_grad()
        loss_of(network, seen).backward()
        optimizer.step()
    tags, _ = answer_of(network.eval(), unseen)
    valid = torch.arange(tags.shape[1]) < unseen.lengths.unsqueeze(1)
    return float((tags == unseen.labels)[valid].float().mean())


def next_word_task() -> tuple[list[list[int]], list[list[int]]]:
    """The tag of each word is the remainder by 3 of the word after it, and 0 at the end."""
    rng = np.random.default_rng(1)
    sequences = [rng.integers(2, 8, rng.integers(0, 9)).tolist() for _ in range(300)]
    return sequences, [[word % 3 for word in ids[1:]] + [0] * (len(ids) > 0) for ids in sequences]


@pytest.mark.parametrize("head", ["softmax", "crf"])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_learns_what_a_later_word_decides(cell, head):
    assert train(make_as_drawn(cell, hidden_size=24, **HEADS[head]), *next_word_task()) == 1.0


@pytest.mark.parametrize(("cell", "both"), [("feedforward", True), ("gru", False)])
def test_what_cannot_see_a_later_word_does_not_learn_it(cell, both):
    assert train(make_as_drawn(cell, hidden_size=24, bidirectional=both), *next_word_task()) < 0.7


def test_characters_tell_words_apart_that_have_no_embedding():
    rng = np.random.default_rng(2)
    words = [rng.integers(0, 8, rng.integers(1, 6)).tolist() for _ in range(200)]
    spellings = spelling_of(words).characters
    labels = [[spellings[word][-1] % 3 for word in ids] for ids in words]
    network = make_as_drawn(character_hidden_size=8)
    for part in (slice(120), slice(120, None)):
        sequences = [[UNKNOWN] * len(ids) for ids in words[part]]
        batch = make_token_batch(sequences, labels[part], Spelling(words[part], spellings))
        if part.start is None:
            optimizer = torch.optim.AdamW(network.parameters(), 0.02)
            for _ in range(80):
                optimizer.zero_grad()
                loss_of(network, batch).backward()
                optimizer.step()
    tags, _ = answer_of(network, batch)
    valid = torch.arange(tags.shape[1]) < batch.lengths.unsqueeze(1)
    assert (tags == batch.labels)[valid].all()


def test_dropout_is_the_same_at_every_word_and_off_in_evaluation():
    network = make("feedforward", characters=False, dropout=0.5)
    seen: list[Tensor] = []
    network.feedforward[0].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    batch = batch_of([[3, 3, 3, 3], [3, 3]], characters=False)
    network(batch)
    first, second = (torch.stack([row for row, s in zip(seen[0], [0, 1, 0, 1, 0, 0]) if s == n]) for n in (0, 1))
    assert (first == first[0]).all()
    assert (second == second[0]).all()
    assert not torch.equal(first[0], second[0])
    dropped = (seen[0] == 0).float().mean()
    assert 0 < dropped < 1
    network.eval()
    assert torch.equal(network(batch)[0], network(batch)[0])


def test_recurrent_layers_have_variational_dropout():
    network = make(dropout=0.3, num_layers=2)
    recurrent = network.recurrent
    assert (recurrent.input_dropout, recurrent.output_dropout, recurrent.dropout) == (0.3, 0.3, 0.0)
    batch = batch_of(some_sequences())
    assert not torch.equal(network(batch)[0], network(batch)[0])
    network.eval()
    assert torch.equal(network(batch)[0], network(batch)[0])


def test_word_dropout_makes_its_share_of_the_words_unknown_and_leaves_their_characters():
    network = make(word_dropout=0.3)
    words: list[Tensor] = []
    characters: list[Tensor] = []
    network.embedding.register_forward_pre_hook(lambda _, args: words.append(args[0]))
    network.characters.embedding.register_forward_pre_hook(lambda _, args: characters.append(args[0]))
    batch = batch_of([[4] * 80] * 50)
    network(batch)
    network.eval()(batch)
    assert set(words[0].unique().tolist()) == {UNKNOWN, 4}
    assert (words[0] == UNKNOWN).float().mean().item() == pytest.approx(0.3, abs=0.03)  # 4 standard errors of 4000
    assert (words[1] == 4).all()
    assert [ids.tolist() for ids in characters] == [[4, 5, 6, 2]] * 2  # once for the one word of 4000


@pytest.mark.parametrize("head", HEADS)
def test_under_autocast_losses_and_confidences_stay_float32(head):
    network = make(**HEADS[head])
    batch = batch_of(some_sequences())
    expected = loss_of(network, batch).item()
    with torch.autocast("cpu", torch.bfloat16):
        loss, (_, confidences) = loss_of(network, batch), answer_of(network, batch)
    loss.backward()
    assert (loss.dtype, confidences.dtype) == (torch.float32, torch.float32)
    assert loss.item() == pytest.approx(expected, abs=0.05)


def test_load_vectors_puts_each_row_in_its_place():
    network = make()
    before = network.embedding.weight.detach().clone()
    network.load_vectors(torch.tensor([7, 3]), torch.arange(10.0).view(2, 5))
    after = network.embedding.weight.detach()
    assert after[7].tolist() == [0, 1, 2, 3, 4]
    assert after[3].tolist() == [5, 6, 7, 8, 9]
    assert torch.equal(after[[0, 1, 2, 4, 5, 6, 8]], before[[0, 1, 2, 4, 5, 6, 8]])


def test_forward_returns_the_layout_of_its_rows():
    emissions, layout = make()(batch_of(some_sequences()))
    assert isinstance(layout, Layout)
    assert emissions.shape == (layout.tokens, 3) == (sum(LENGTHS), 3)


def test_moves_without_a_crf_are_refused():
    with pytest.raises(SettingsError, match="moves: only a CRF knows of moves; set crf to True"):
        make(moves=MOVES)


@pytest.mark.parametrize(("characters", "message"), [(True, "network has some, the batch"), (False, "batch has some")])
def test_characters_on_one_side_alone_are_refused(characters, message):
    with pytest.raises(ShapeError, match=f"characters: the {message}"):
        make(characters=characters)(batch_of([[1]], not characters))
