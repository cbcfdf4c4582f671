"""What the layers are made of and what they refuse; that they compute what torch.nn computes is in tests/kernels."""

from __future__ import annotations

import inspect
import pickle

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_sequence

import recurra.nn
from recurra.errors import SettingsError, ShapeError
from recurra.nn import GRU, LSTM, RNN
from recurra.nn.options import DEFAULTS

LAYERS = (RNN, LSTM, GRU)
GATES = {RNN: 1, LSTM: 4, GRU: 3}


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def torch_twin(layer: type) -> type:
    return getattr(nn, layer.__name__)


@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}, {"bias": False}, {"num_layers": 3}])
@pytest.mark.parametrize("layer", LAYERS)
def test_parameters_are_named_and_shaped_as_in_torch(layer, options):
    ours, theirs = layer(3, 5, **options), torch_twin(layer)(3, 5, **options)
    shapes = [[(name, parameter.shape) for name, parameter in made.named_parameters()] for made in (ours, theirs)]
    assert shapes[0] == shapes[1]
    theirs.load_state_dict(ours.state_dict())


def test_projection_has_the_parameters_of_torch():
    options = {"num_layers": 2, "bidirectional": True, "proj_size": 2}
    ours, theirs = LSTM(3, 5, **options), nn.LSTM(3, 5, **options)
    assert {name: p.shape for name, p in ours.named_parameters()} == {n: p.shape for n, p in theirs.named_parameters()}
    assert (ours.output_size, ours.num_directions) == (2, 2)


@pytest.mark.parametrize("layer", LAYERS)
def test_positional_arguments_are_those_of_torch(layer):
    names = {RNN: ["num_layers", "nonlinearity"], LSTM: ["num_layers"], GRU: ["num_layers"]}[layer]
    expected = ["input_size", "hidden_size", *names, "bias", "batch_first", "dropout", "bidirectional"]
    expected += ["proj_size"] if layer is LSTM else []
    assert list(inspect.signature(layer).parameters) == [*expected, "device", "dtype", "init", *DEFAULTS]
    middle = [2, "relu"] if layer is RNN else [2]
    ours = layer(3, 5, *middle, False, True, 0.25, True)
    theirs = torch_twin(layer)(3, 5, *middle, False, True, 0.25, True)
    for name in [*expected]:
        assert getattr(ours, name) == getattr(theirs, name), name


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_layers": 2, "dropout": 0.5},
        {"bias": False, "batch_first": True},
        {"bidirectional": True},
        {"num_layers": 2, "bias": False, "batch_first": True, "dropout": 0.5, "bidirectional": True},
    ],
)
@pytest.mark.parametrize("layer", LAYERS)
def test_printed_as_torch_prints_it(layer, options):
    assert repr(layer(3, 5, **options)) == repr(torch_twin(layer)(3, 5, **options))


def test_projection_is_printed_as_torch_prints_it():
    assert repr(LSTM(3, 5, proj_size=2, num_layers=2)) == repr(nn.LSTM(3, 5, proj_size=2, num_layers=2))


@pytest.mark.parametrize("layer", LAYERS)
def test_careful_initialisation(layer):
    made = layer(7, 6, num_layers=2, bidirectional=True)
    for name, parameter in made.named_parameters():
        if "weight_hh" in name:
            torch.testing.assert_close(parameter.T @ parameter, torch.eye(6), atol=1e-5, rtol=0)
        elif "weight_ih" in name:
            rows, columns = parameter.shape
            bound = (6 / (rows + columns)) ** 0.5
            assert parameter.abs().max() <= bound
            assert parameter.std().item() == pytest.approx(bound / 3**0.5, rel=0.15)
        else:
            expected = torch.zeros(GATES[layer] * 6)
            if layer is LSTM and "bias_ih" in name:
                expected[6:12] = 1  # the forget gate
            assert torch.equal(parameter, expected)


def test_careful_initialisation_of_a_projection():
    made = LSTM(7, 6, proj_size=3)
    weight = made.weight_hh_l0
    torch.testing.assert_close(weight.T @ weight, torch.eye(3), atol=1e-5, rtol=0)
    assert made.weight_hr_l0.abs().max() <= (6 / (3 + 6)) ** 0.5
    assert made.weight_hr_l0.std() > 0.2


@pytest.mark.parametrize("layer", LAYERS)
def test_initialisation_of_torch(layer):
    torch.manual_seed(3)
    ours = layer(7, 9, num_layers=2, init="torch")
    torch.manual_seed(3)
    theirs = torch_twin(layer)(7, 9, num_layers=2)
    for mine, its in zip(ours.parameters(), theirs.parameters()):
        assert torch.equal(mine, its)


@pytest.mark.parametrize("layer", LAYERS)
def test_reset_draws_anew_and_the_seed_decides(layer):
    torch.manual_seed(1)
    made = layer(4, 5)
    before = [parameter.detach().clone() for parameter in made.parameters()]
    made.reset_parameters()
    assert not torch.equal(made.weight_hh_l0, before[1])
    torch.manual_seed(1)
    made.reset_parameters()
    assert all(torch.equal(now, then) for now, then in zip(made.parameters(), before))


def test_dtype_and_device():
    made = LSTM(3, 4, dtype=torch.float64)
    assert {parameter.dtype for parameter in made.parameters()} == {torch.float64}
    assert all(parameter.is_meta for parameter in GRU(3, 4, device="meta").parameters())


@pytest.mark.parametrize("layer", LAYERS)
def test_pickled_layer_computes_the_same(layer):
    made = layer(3, 4, bidirectional=True)
    again = pickle.loads(pickle.dumps(made))
    x = torch.randn(5, 2, 3)
    assert torch.equal(made(x, lengths=[5, 2])[0], again(x, lengths=[5, 2])[0])


def test_flatten_parameters_does_nothing():
    made = LSTM(3, 4)
    before = made.state_dict()
    made.flatten_parameters()
    assert made.state_dict().keys() == before.keys()


def test_public_names():
    assert recurra.nn.__all__ == ["GRU", "LSTM", "RNN", "truncated"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"input_size": 0}, "input_size: expected an integer of at least 1, got 0"),
        ({"hidden_size": -2}, "hidden_size: expected an integer of at least 1, got -2"),
        ({"hidden_size": 2.0}, "hidden_size: expected an integer of at least 1, got 2.0"),
        ({"num_layers": 0}, "num_layers: expected an integer of at least 1, got 0"),
        ({"dropout": 1.5, "num_layers": 2}, "dropout: expected a number in 0..1, got 1.5"),
        ({"dropout": -0.1}, "dropout: expected a number in 0..1, got -0.1"),
        ({"dropout": True}, "dropout: expected a number in 0..1, got True"),
        ({"init": "zeros"}, "init: expected 'careful', 'torch' or 'chrono', got 'zeros'"),
    ],
)
@pytest.mark.parametrize("layer", LAYERS)
def test_arguments_out_of_range(layer, options, message):
    with pytest.raises(SettingsError) as caught:
        layer(**{"input_size": 3, "hidden_size": 4, **options})
    assert str(caught.value) == message


def test_arguments_of_one_layer_alone():
    with pytest.raises(SettingsError, match="nonlinearity: expected 'tanh' or 'relu', got 'sigmoid'"):
        RNN(3, 4, nonlinearity="sigmoid")
    with pytest.raises(SettingsError, match=r"proj_size: expected less than hidden_size \(4\), got 4"):
        LSTM(3, 4, proj_size=4)
    with pytest.raises(SettingsError, match="proj_size: expected an integer of at least 0, got -1"):
        LSTM(3, 4, proj_size=-1)


@pytest.mark.parametrize("layer", LAYERS)
def test_dropout_without_effect_warns_where_the_layer_is_made(layer):
    with pytest.warns(UserWarning, match="dropout works between layers, and there is only one") as caught:
        layer(3, 4, dropout=0.5)
    assert caught[0].filename == __file__


def test_dropout_between_layers_in_training_alone():
    made = LSTM(3, 50, num_layers=2, dropout=0.5)
    x = torch.randn(4, 2, 3)
    assert not torch.equal(made(x)[0], made(x)[0])
    made.eval()
    assert torch.equal(made(x)[0], made(x)[0])
    all_dropped = GRU(3, 4, num_layers=2, dropout=1.0)
    assert torch.equal(all_dropped(x)[0], all_dropped(x + 1)[0])  # the second layer reads nothing


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((5, 2, 4), {}, "input: expected a last dimension of 3 (input_size), got 4"),
        ((5, 2, 3, 1), {}, "input: expected 2 (unbatched) or 3 dimensions, got 4: (5, 2, 3, 1)"),
        ((3,), {}, "input: expected 2 (unbatched) or 3 dimensions, got 1: (3,)"),
        ((5, 2, 3), {"lengths": [5]}, "lengths: expected one for each of 2 sequences, got shape (1,)"),
        ((5, 2, 3), {"lengths": [6, 1]}, "lengths: expected 0 to 5, got 1 to 6"),
        ((5, 2, 3), {"lengths": [-1, 1]}, "lengths: expected 0 to 5, got -1 to 1"),
        ((5, 2, 3), {"lengths": [1.5, 1.0]}, "lengths: expected whole numbers, got torch.float32"),
        ((5, 2, 3), {"lengths": [True, False]}, "lengths: expected whole numbers, got torch.bool"),
    ],
)
@pytest.mark.parametrize("layer", LAYERS)
def test_input_that_does_not_fit(layer, shape, options, message):
    with pytest.raises(ShapeError) as caught:
        layer(3, 4)(torch.randn(shape), **options)
    assert str(caught.value) == message


@pytest.mark.parametrize("layer", LAYERS)
def test_input_of_another_dtype_and_packed_input_with_lengths(layer):
    made = layer(3, 4)
    with pytest.raises(ShapeError, match=r"input: expected torch\.float32 as the parameters are, got torch\.float64"):
        made(torch.randn(5, 2, 3, dtype=torch.float64))
    packed = pack_sequence([torch.randn(2, 3), torch.randn(1, 3)])
    with pytest.raises(ShapeError, match="a PackedSequence has its own lengths; give one or the other"):
        made(packed, lengths=[2, 1])
    with pytest.raises(ShapeError, match=r"expected a last dimension of 3 \(input_size\), got 4"):
        made(pack_sequence([torch.randn(2, 4)]))


@pytest.mark.parametrize("layer", LAYERS)
def test_state_that_does_not_fit(layer):
    made = layer(3, 4, num_layers=2)

    def state(*shape: int, dtype: torch.dtype = torch.float32) -> object:
        values = torch.zeros(shape, dtype=dtype)
        return (values, torch.zeros(2, 2, 4)) if layer is LSTM else values

    x = torch.randn(5, 2, 3)
    expected = r"h_0: expected \(2, 2, 4\) \(layers \* directions, batch, size\), got \(1, 2, 4\)"
    with pytest.raises(ShapeError, match=expected):
        made(x, state(1, 2, 4))
    with pytest.raises(ShapeError, match=r"h_0: expected torch\.float32 as the parameters are, got torch\.float64"):
        made(x, state(2, 2, 4, dtype=torch.float64))
    with pytest.raises(ShapeError, match=r"h_0: expected \(2, 4\) for one unbatched sequence or \(2, 1, 4\)"):
        made(x[:, 0], state(2, 2, 4))


def test_state_of_an_lstm_is_a_pair():
    made, x, zeros = LSTM(3, 4), torch.randn(5, 2, 3), torch.zeros(1, 2, 4)
    with pytest.raises(ShapeError, match=r"hx: expected a pair \(h_0, c_0\), got Tensor"):
        made(x, zeros)
    with pytest.raises(ShapeError, match="c_0: expected a tensor, got NoneType"):
        made(x, (zeros, None))
    with pytest.raises(ShapeError, match=r"c_0: expected \(1, 2, 4\)"):
        made(x, (zeros, torch.zeros(1, 2, 3)))
    with pytest.raises(ShapeError, match="h_0: expected a tensor, got tuple"):
        GRU(3, 4)(x, (zeros, zeros))
