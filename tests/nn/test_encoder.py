"""The encoder against torch.nn on each sequence alone, for every cell and pooling."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from recurra.config import ClassifyModelConfig
from recurra.errors import SettingsError
from recurra.nn import GRU, LSTM, RNN
from recurra.nn.encoder import SequenceEncoder, VectorEncoder, make_recurrent
from recurra.vocabulary import PADDING, UNKNOWN

CELLS = ("lstm", "gru", "rnn", "rnn_relu")
LENGTHS = [3, 0, 6, 1, 6]
SMALL = {"embedding_size": 3, "hidden_size": 4, "dropout": 0.0, "word_dropout": 0.0}
KINDS = [(cell, pooling) for cell in CELLS for pooling in ("final", "mean", "max", "attention")]
KINDS += [("feedforward", pooling) for pooling in ("mean", "max", "attention")]


@pytest.fixture(autouse=True)
def _seed_and_one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


def make(cell: str, pooling: str, **options: object) -> SequenceEncoder:
    return SequenceEncoder(9, ClassifyModelConfig(**{"cell": cell, "pooling": pooling, **SMALL, **options}))


def torch_layer(encoder: SequenceEncoder, config: ClassifyModelConfig) -> nn.Module:
    """The layer of torch.nn with the encoder's weights."""
    name, extra = {"rnn_relu": ("RNN", {"nonlinearity": "relu"})}.get(config.cell, (config.cell.upper(), {}))
    layer = getattr(nn, name)(
        config.embedding_size, config.hidden_size, config.num_layers, bidirectional=config.bidirectional, **extra
    )
    assert encoder.recurrent is not None
    layer.load_state_dict(encoder.recurrent.state_dict())
    return layer


def by_hand(encoder: SequenceEncoder, config: ClassifyModelConfig, ids: Tensor) -> Tensor:
    """Encode one sequence that is not empty with torch.nn alone."""
    vectors = nn.functional.embedding(ids, encoder.embedding.weight)
    size = config.hidden_size
    outputs = vectors
    if config.cell != "feedforward":
        outputs = torch_layer(encoder, config)(vectors)[0]
    if config.pooling == "final":
        return torch.cat([outputs[-1, :size], outputs[0, size:]])
    if config.pooling == "attention":
        pooling = encoder.pooling
        pooled = (pooling.score(torch.tanh(pooling.hidden(outputs))).softmax(0) * outputs).sum(0)
    else:
        pooled = outputs.mean(0) if config.pooling == "mean" else outputs.amax(0)
    if config.cell == "feedforward":
        for layer in encoder.feedforward:
            pooled = torch.relu(pooled @ layer.weight.T + layer.bias) if isinstance(layer, nn.Linear) else pooled
    return pooled


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("both", [True, False], ids=["both-ways", "one-way"])
@pytest.mark.parametrize(("cell", "pooling"), KINDS)
def test_is_that_of_each_sequence_alone(cell, pooling, both, layers):
    config = ClassifyModelConfig(cell=cell, pooling=pooling, num_layers=layers, bidirectional=both, **SMALL)
    encoder = SequenceEncoder(9, config)
    values = torch.randint(1, 9, (len(LENGTHS), 8))  # noise, not zeros, in the padding
    got = encoder(values, torch.tensor(LENGTHS))
    assert got.shape == (len(LENGTHS), encoder.output_size)
    assert encoder.output_size == (4 if cell == "feedforward" else 4 * (1 + both))
    for row, ids, length in zip(got, values, LENGTHS):
        if length:
            torch.testing.assert_close(row, by_hand(encoder, config, ids[:length]), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("cell", "pooling"), KINDS)
def test_an_empty_sequence_is_encoded_as_in_no_company(cell, pooling):
    encoder = make(cell, pooling)
    values = torch.randint(1, 9, (2, 4))
    together = encoder(values, torch.tensor([0, 4]))[0]
    for time in (0, 4):
        torch.testing.assert_close(encoder(values[:1, :time], torch.tensor([0]))[0], together)
    if cell != "feedforward":
        assert not together.any()


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize(("cell", "pooling"), KINDS)
def test_gradient_reaches_every_parameter(cell, pooling, layers):
    encoder = make(cell, pooling, num_layers=layers)
    for name, parameter in encoder.named_parameters():
        if name.startswith("feedforward") and name.endswith("bias"):
            nn.init.constant_(parameter, 1.0)  # a rectifier that is off has no gradient
        elif cell == "rnn_relu" and "bias_ih" in name:
            nn.init.constant_(parameter, 0.5)
    nn.init.normal_(encoder.embedding.weight[2:])
    values = torch.randint(2, 9, (6, 5))
    encoder(values, torch.tensor([5, 4, 3, 2, 1, 0])).pow(2).sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name
    assert not encoder.embedding.weight.grad[PADDING].any()


def test_padding_has_a_vector_of_zeros_that_stays():
    encoder = make("lstm", "max")
    optimizer = torch.optim.AdamW(encoder.parameters(), 0.1, weight_decay=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        encoder(torch.tensor([[2, 3, 0], [4, 0, 0]]), torch.tensor([3, 1])).sum().backward()  # an id 0 in the text
        optimizer.step()
    assert not encoder.embedding.weight[PADDING].any()
    assert (encoder.embedding.weight[1:].abs().sum(1) > 0).all()


def test_embeddings_begin_small():
    weight = SequenceEncoder(2000, ClassifyModelConfig(**SMALL)).embedding.weight[1:]
    assert weight.abs().max() <= 0.05
    assert weight.std().item() == pytest.approx(0.05 / 3**0.5, rel=0.05)  # of the uniform distribution


@pytest.mark.parametrize("cell", ["lstm", "feedforward"])
def test_load_vectors_puts_each_row_in_its_place(cell):
    encoder = make(cell, "mean")
    before = encoder.embedding.weight.detach().clone()
    values = torch.arange(6.0).view(2, 3)
    encoder.load_vectors(torch.tensor([7, 3]), values)
    after = encoder.embedding.weight.detach()
    assert after[7].tolist() == [0, 1, 2]
    assert after[3].tolist() == [3, 4, 5]
    others = [0, 1, 2, 4, 5, 6, 8]
    assert torch.equal(after[others], before[others])
    assert encoder.embedding.weight.requires_grad


@pytest.mark.parametrize("cell", ["lstm", "feedforward"])
def test_word_dropout_makes_its_share_of_the_symbols_unknown_in_training_alone(cell):
    encoder = make(cell, "mean", word_dropout=0.3)
    seen: list[Tensor] = []
    encoder.embedding.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    values = torch.full((50, 80), 5)
    lengths = torch.full((50,), 80)
    encoder(values, lengths)
    encoder.eval()(values, lengths)
    trained, used = seen
    assert set(trained.unique().tolist()) == {UNKNOWN, 5}
    assert (trained == UNKNOWN).float().mean().item() == pytest.approx(0.3, abs=0.03)  # 4 standard errors of 4000
    assert (used == 5).all()
    assert (values == 5).all()


@pytest.mark.parametrize(("cell", "pooling"), [("lstm", "max"), ("gru", "final"), ("feedforward", "mean")])
def test_dropout_is_off_in_evaluation(cell, pooling):
    encoder = make(cell, pooling, dropout=0.5, num_layers=2)
    values, lengths = torch.randint(2, 9, (4, 6)), torch.tensor([6, 2, 3, 1])
    assert not torch.equal(encoder(values, lengths), encoder(values, lengths))
    encoder.eval()
    assert torch.equal(encoder(values, lengths), encoder(values, lengths))


@pytest.mark.parametrize(
    ("cell", "kind", "inner"), [("lstm", LSTM, "lstm"), ("gru", GRU, "gru"), ("rnn", RNN, "rnn_tanh")]
)
def test_make_recurrent(cell, kind, inner):
    layer = make_recurrent(cell, 5, 6, num_layers=2, dropout=0.25, bidirectional=True, input_dropout=0.5)
    assert type(layer) is kind
    assert (layer.cell, layer.input_size, layer.hidden_size, layer.num_layers) == (inner, 5, 6, 2)
    assert (layer.bidirectional, layer.dropout, layer.input_dropout) == (True, 0.25, 0.5)


def test_make_recurrent_with_chrono_steps():
    assert make_recurrent("gru", 5, 6, chrono_steps=9).init == "chrono"
    assert make_recurrent("gru", 5, 6, chrono_steps=None).init == "careful"
    assert make_recurrent("rnn", 5, 6, chrono_steps=9).init == "careful"  # such as a decoder beside a gated encoder


def test_make_recurrent_of_one_layer_has_nothing_to_drop_between():
    layer = make_recurrent("rnn_relu", 5, 6, dropout=0.25)
    assert (layer.cell, layer.dropout, layer.bidirectional) == ("rnn_relu", 0.0, False)


def test_make_recurrent_knows_its_cells():
    with pytest.raises(SettingsError, match=r"cell: expected one of lstm, .*, got 'gur', did you mean 'gru'"):
        make_recurrent("gur", 5, 6)


@pytest.mark.parametrize(("cell", "pooling"), KINDS)
def test_vectors_are_encoded_as_those_of_symbols_are(cell, pooling):
    symbols = make(cell, pooling, num_layers=2)
    vectors = VectorEncoder(3, ClassifyModelConfig(cell=cell, pooling=pooling, num_layers=2, **SMALL))
    vectors.load_state_dict({n: v for n, v in symbols.state_dict().items() if not n.startswith("embedding")})
    values, lengths = torch.randint(1, 9, (len(LENGTHS), 8)), torch.tensor(LENGTHS)
    found = vectors(symbols.embedding(values), lengths)
    assert torch.equal(found, symbols(values, lengths))
    assert vectors.output_size == symbols.output_size
