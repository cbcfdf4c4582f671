"""The exercises: each stub and each common mistake is told what is wrong in words, each solution passes."""

from __future__ import annotations

import importlib.util
import inspect
import re
import runpy
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch.nn import functional

FOLDER = Path(__file__).parent.parent / "docs" / "learn" / "exercises"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "checking")
PAGE = FOLDER.parent / "exercises.md"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name.replace("/", "_"), FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def _checking(monkeypatch):
    """`checking` is found beside the exercises, as when one runs as a program; random numbers stay as they were."""
    monkeypatch.syspath_prepend(FOLDER)
    state = torch.get_rng_state()
    yield
    torch.set_rng_state(state)


def wanted(check) -> list[str]:
    """The functions that an exercise asks for."""
    return list(inspect.signature(check).parameters)


def test_every_exercise_has_a_solution_and_a_row_on_the_page():
    assert sorted(path.stem for path in (FOLDER / "solutions").glob("*.py")) == NAMES
    assert len(NAMES) == 10
    text = PAGE.read_text(encoding="utf-8")
    for name in NAMES:
        assert f"(exercises/{name}.py)" in text
        assert f"(exercises/solutions/{name}.py)" in text
        assert any(f"(exercises/{name}.py)" in p.read_text(encoding="utf-8") for p in FOLDER.parent.glob("[!e]*.md"))


@pytest.mark.parametrize("name", NAMES)
def test_a_stub_is_told_that_nothing_is_there(name):
    exercise = load(name)
    with pytest.raises(Exception, match=r"nothing is returned yet|still zero") as caught:
        exercise.check()
    assert type(caught.value).__name__ == "Wrong"


@pytest.mark.parametrize("name", NAMES)
def test_a_solution_passes(name):
    exercise, solution = load(name), load(f"solutions/{name}")
    exercise.check(**{function: getattr(solution, function) for function in wanted(exercise.check)})


@pytest.mark.parametrize("name", NAMES)
def test_a_solution_has_the_signature_that_is_asked_for(name):
    exercise, solution = load(name), load(f"solutions/{name}")
    for function in wanted(exercise.check):
        asked, given = (inspect.signature(getattr(module, function)) for module in (exercise, solution))
        assert list(asked.parameters) == list(given.parameters)


def test_it_runs_as_a_program(capsys):
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(FOLDER / "neuron.py"), run_name="__main__")
    assert ended.value.code == 1
    said = capsys.readouterr().out
    assert said in PAGE.read_text(encoding="utf-8")  # what the page says that one sees
    load("checking").run(lambda: None)
    assert capsys.readouterr().out == "Right.\n"


SOURCES = {name: (FOLDER / "solutions" / f"{name}.py").read_text(encoding="utf-8") for name in NAMES}
# A line of a solution, what a learner may write in its place, and what is said then.
MISTAKES = [
    ("neuron", "torch.tanh(w_ih @ x_t + w_hh @ h + b)", "w_ih @ x_t + w_hh @ h + b", "the tanh is missing"),
    ("neuron", "w_hh @ h", "w_hh @ torch.zeros(4)", "carry the state on"),
    ("neuron", "w_hh @ h", "h @ w_hh", "W_hh is transposed"),
    ("neuron", "torch.stack(found)", "h", r"expected the shape \[6, 4\], found \[4\]"),
    ("neuron", "torch.stack(found)", "found", "expected a tensor, found a value of type list"),
    ("neuron", "torch.stack(found)", "torch.stack(found) / 0", "NaN or an infinity"),
    ("neuron", "torch.stack(found)", "torch.stack(found) / 2", r"expected at \[\d, \d\] -?\d"),
    ("bptt", " + w_hh.T @ delta", "", "from the step after is missing"),
    ("bptt", " * (1 - h[t] ** 2)", "", "the slope of the tanh"),
    ("bptt", "w_hh.T @ delta", "w_hh @ delta", "with its transpose"),
    ("bptt", "if t > 0:", "if True:", "expected at"),
    (
        "bptt",
        "if t > 0:  # before the first step the state is zero\n            total += torch.outer(delta, h[t - 1])",
        "total += torch.outer(delta, h[t])",
        "belongs with the state before the step",
    ),
    ("bptt", "torch.outer(delta, h[t - 1])", "torch.outer(h[t - 1], delta)", "it is transposed"),
    ("jacobians", "while left >= share", "while left * eigenvalue >= share", "one too few"),
    ("jacobians", "lag, left = 0, 1.0", "lag, left = 1, 1.0", "one too many"),
    ("jacobians", "min(1.0, bound / norm) if norm > 0 else 1.0", "bound / norm", "short enough must stay"),
    ("jacobians", "gradient * factor", "gradient * min(1.0, bound / gradient.norm())", "a factor of its own"),
    ("jacobians", "gradient * factor", "gradient.clamp(-bound, bound)", "cut one by one"),
    ("jacobians", "for gradient in gradients]\n", "for gradient in gradients[:1]]\n", "expected 2 gradients, found 1"),
    ("latch", "lstm.bias_ih_l0[f] = 10.0", "lstm.bias_ih_l0[f] = 1.0", r"is forgotten: the forget gate is 0\.731"),
    (
        "latch",
        "lstm.bias_ih_l0[i] = 20.0, -10.0",
        "lstm.bias_ih_l0[i] = 20.0, 0.0",
        r"no signal .* input gate is 0\.50",
    ),
    ("latch", "lstm.bias_ih_l0[g] = 10.0", "lstm.bias_ih_l0[g] = 0.1", "too little to write"),
    ("latch", "lstm.bias_ih_l0[o] = 10.0", "pass", r"output gate is 0\.50"),
    ("gru", "(1 - z) * n + z * h", "z * n + (1 - z) * h", "exchanged; in torch's convention z = 1 keeps"),
    ("gru", "r * state_n", "(w_hh @ (r * h) + b_hh).chunk(3)[2]", "before the product"),
    ("gru", "r * state_n", "state_n", "the reset gate is not used"),
    ("gru", "r * state_n", "r * (w_hh @ h).chunk(3)[2] + b_hh.chunk(3)[2]", "must also reach the bias"),
    ("gru", "input_r, input_z, input_n =", "input_z, input_r, input_n =", "expected at"),
    (
        "gru",
        "return (1 - z)",
        "r, z = z, r\n    n = torch.tanh(input_n + r * state_n)\n    return (1 - z)",
        "the order r, z",
    ),
    ("final_state", "torch.cat([forward, backward], dim=1)", "output[-1]", "padding for all but the longest"),
    ("final_state", "lengths - 1, torch.arange(len(lengths))", "-1, :", "from the last row of the box"),
    ("final_state", "output[0, :, hidden:]", "output[lengths - 1, torch.arange(4), hidden:]", "read one step only"),
    ("final_state", "torch.cat([forward, backward], dim=1)", "output[0]", "forward net at step 0"),
    ("final_state", "[forward, backward]", "[backward, forward]", "the forward half should"),
    ("parameters", "GATES[cell] *", "", "a layer of gru has 3 blocks"),
    ("parameters", "hidden_size + 2)", "hidden_size + 1)", "two biases"),
    ("parameters", "hidden_size + 2)", "hidden_size)", "there are biases, too"),
    ("parameters", "directions * GATES", "GATES", "everything is there twice"),
    ("parameters", "read = directions * hidden_size", "read = hidden_size", "read both directions"),
    ("parameters", "read = directions * hidden_size", "pass", "not the input"),
    ("parameters", "<= budget", "< budget", "one unit more would still fit"),
    ("parameters", "hidden = 0", "hidden = 1", "do not fit into the budget"),
    (
        "masked",
        "return output.masked_fill(~mask, 0.0).sum(0) / lengths.unsqueeze(1)",
        "return output.mean(0)",
        "mean: it is over the whole box",
    ),
    ("masked", "0.0).sum(0) / lengths.unsqueeze(1)", "0.0).mean(0)", "divided by T"),
    ("masked", "output.masked_fill(~mask, 0.0).sum(0)", "output.sum(0)", "the padding is in the sum"),
    ("masked", "output.masked_fill(~mask, -torch.inf)", "output", "maximum: it is over the whole box"),
    ("masked", "-torch.inf", "0.0", "larger than a true negative number"),
    (
        "masked",
        "logits[mask], targets[mask]",
        "logits.flatten(0, 1), targets.flatten()",
        "loss: it is over all positions",
    ),
    ("masked", "targets[mask])", "targets[mask], reduction='sum')", "it is the sum"),
    ("masked", "targets[mask])", "targets[mask], reduction='sum') / mask.numel()", "divided by all positions"),
    ("attend", "scores.masked_fill(beyond, -torch.inf)", "scores", "the padding gets a share"),
    ("attend", "-torch.inf).softmax(1)", "-torch.inf).softmax(0)", "over the batch"),
    ("attend", "(beyond, -torch.inf).softmax(1)", "(beyond, -torch.inf)", "NaN or an infinity"),
    ("attend", "scores.masked_fill(beyond, -torch.inf).softmax(1)", "scores", "the softmax is missing"),
    ("attend", ">= lengths", "> lengths", "a step of padding is let in"),
    ("attend", "(weights.unsqueeze(1) @ memory).squeeze(1)", "memory.mean(1)", "it is the plain mean"),
    ("attend", "return context, weights", "return context", "expected a pair"),
    ("pieces", "ids[1:].split", "ids[:-1].split", "the targets are the inputs"),
    ("pieces", "model(inputs, state)", "model(inputs, None)", "hand on the state of the piece before"),
    ("pieces", "tuple(part.detach() for part in state)", "state", "detach h and c between pieces"),
    (
        "pieces",
        "loss.backward()\n",
        "loss.backward(retain_graph=True)\n        found.append(loss.item())\n        continue\n",
        "crosses",
    ),
    ("pieces", "loss.backward()", "pass", "no gradient has arrived"),
    (
        "pieces",
        "zip(ids[:-1].split(steps), ids[1:].split(steps))",
        "zip(ids[:20].split(10), ids[1:21].split(10))",
        "found 2",
    ),
]


@pytest.mark.parametrize(("name", "line", "instead", "said"), MISTAKES, ids=[f"{m[0]}: {m[3]}" for m in MISTAKES])
def test_a_mistake_is_named(name, line, instead, said):
    assert line in SOURCES[name]
    written: dict[str, object] = {}
    exec(compile(SOURCES[name].replace(line, instead), f"{name} with a mistake", "exec"), written)
    exercise = load(name)
    with pytest.raises(Exception, match=said) as caught:
        exercise.check(**{function: written[function] for function in wanted(exercise.check)})
    assert type(caught.value).__name__ == "Wrong"


def test_a_mean_of_means_and_a_mask_after_the_softmax_are_named():
    """Two mistakes that are no exchange of a line."""
    masked, right = load("masked"), load("solutions/masked")

    def mean_of_means(logits, targets, lengths):
        alone = [functional.cross_entropy(logits[:n, b], targets[:n, b]) for b, n in enumerate(lengths)]
        return torch.stack(alone).mean()

    with pytest.raises(Exception, match="weigh every step alike"):
        masked.check(right.mean, right.maximum, mean_of_means)

    def afterwards(query, memory, lengths):
        weights = (memory @ query.unsqueeze(2)).squeeze(2).softmax(1)
        weights = weights * (torch.arange(5) < lengths.unsqueeze(1))
        return (weights.unsqueeze(1) @ memory).squeeze(1), weights

    with pytest.raises(Exception, match="no longer sums to one"):
        load("attend").check(afterwards)


@pytest.mark.parametrize("name", NAMES)
def test_every_mistake_that_an_exercise_names_is_tried(name):
    """No sentence of an exercise is dead: each is met by a mistake above."""
    source = (FOLDER / f"{name}.py").read_text(encoding="utf-8")
    sentences = re.findall(r'^ +f?"([^"\n]{20,})": ', source, re.MULTILINE)
    tried = [said for exercise, _, _, said in MISTAKES if exercise == name]
    tried += ["weigh every step alike", "no longer sums to one", "blocks of weights"]
    assert name == "latch" or sentences
    for sentence in sentences:
        assert any(re.search(re.sub(r"^\w+: ", "", said), sentence) for said in tried), sentence
