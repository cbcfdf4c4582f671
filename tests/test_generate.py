"""Text that a language model makes up, against a loop with torch alone; how symbols become text; what is likeliest."""

from __future__ import annotations

import itertools
import random
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest
import torch
from tokenizers import pre_tokenizers
from torch import nn

from recurra.config import make_run_config
from recurra.data.corpus import corpus_in_memory
from recurra.errors import DataError, SettingsError
from recurra.generate import generate, most_likely
from recurra.nn.sampling import Sampler
from recurra.tasks.language_model import ModelLanguage
from recurra.train import train
from recurra.vocabulary import END, PADDING, UNKNOWN
from recurra.writing import TextStream

WORDS = ["the cat sees it .", "a dog , too !", "“ yes ” , it says : no", "(don't) [go] 50 % $ 5", ""]
KINDS = ["words", "spaces", "characters", "bpe"]
Make = Callable[..., ModelLanguage]


@pytest.fixture(scope="module")
def make() -> Make:
    made: dict[str, ModelLanguage] = {}

    def _make(tokens: str = "words", lines: list[str] | None = None, **options: Any) -> ModelLanguage:
        key = str((tokens, lines, options))
        if key not in made:
            small = {"hidden_size": 8, "embedding_size": 8, "num_layers": 2, "dropout": 0.0, "epochs": 2}
            given = {**small, "batch_size": 2, "steps": 20, "min_count": 2, "learning_rate": 0.02, "device": "cpu"}
            config = make_run_config("language-model", data="memory", tokens=tokens, **{**given, **options})
            made[key] = ModelLanguage.from_corpus(config, corpus_in_memory((lines or WORDS) * 12, None, 0.1))
            train(made[key])
        return made[key]

    return _make


def greedy_by_hand(task: ModelLanguage, prompt: str, length: int) -> list[int]:
    """The likeliest symbols by torch, all read anew for each."""
    told, state = task.config.model, task.network.state_dict()
    net = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}[told.cell](8, 8, 2)
    net.load_state_dict({n.removeprefix("recurrent."): v for n, v in state.items() if n.startswith("recurrent.")})
    ids = [END]
    for number, line in enumerate(prompt.split("\n")):
        ids += ([END] if number else []) + task.vocabulary.encode([line])[0]
    start = len(ids)
    with torch.no_grad():
        for _ in range(length):
            outputs, _ = net(8**0.5 * state["embedding.weight"][torch.tensor(ids)][:, None])
            logits = outputs[-1, 0] @ state["embedding.weight"].T + state["softmax.bias"]
            logits[[PADDING, UNKNOWN]] = -torch.inf
            ids.append(int(logits.argmax()))
    return ids[start:]


def as_text(task: ModelLanguage, ids: list[int], before: str = "") -> str:
    stream = TextStream(task.vocabulary, task.config.vocabulary.tokens, before)
    return "".join(stream.write(id_) for id_ in ids) + stream.end()


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("prompt", ["", "the cat", "the cat sees it .\n\na dog", "the zzz", "\n"])
def test_at_temperature_0_it_is_the_likeliest_by_torch(make: Make, cell: str, prompt: str) -> None:
    task = make(cell=cell)
    found = "".join(generate(task, prompt, 25, Sampler(temperature=0)))
    assert found == as_text(task, greedy_by_hand(task, prompt, 25), prompt)


@pytest.mark.parametrize("tokens", KINDS)
def test_the_same_seed_gives_the_same_text(make: Make, tokens: str) -> None:
    task = make(tokens)
    texts = ["".join(generate(task, "the", 40, Sampler(), seed=seed)) for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]
    assert len({"".join(generate(task, "the", 40, Sampler())) for _ in range(3)}) > 1


@pytest.mark.parametrize("tokens", KINDS)
def test_what_cannot_be_written_is_never_drawn(make: Make, tokens: str) -> None:
    task = make(tokens)
    with torch.no_grad():
        kept = task.network.softmax.bias.clone()
        task.network.softmax.bias[[PADDING, UNKNOWN]] = 50.0
        try:
            text = "".join(generate(task, "", 200, Sampler(), seed=0))
            likeliest = most_likely(task, "", 10_000)
        finally:
            task.network.softmax.bias.copy_(kept)
    assert "[PAD]" not in text
    assert "[UNK]" not in text
    assert len(likeliest) == len(task.vocabulary) - 2
    assert sum(each.probability for each in likeliest) == pytest.approx(1, abs=1e-5)


def test_each_symbol_costs_the_same(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    task = make()
    reads: list[tuple[int, ...]] = []
    steps: list[tuple[int, ...]] = []
    seen: list[int] = []
    read, step = task.network.read, task.network.step

    def counted_read(values: torch.Tensor, *rest: Any) -> Any:
        reads.append(tuple(values.shape))
        return read(values, *rest)

    def counted_step(ids: torch.Tensor, *rest: Any) -> Any:
        steps.append(tuple(ids.shape))
        assert torch.is_inference_mode_enabled()  # or what gradients need would pile up
        return step(ids, *rest)

    class Counting(Sampler):
        def draw(self, logs: torch.Tensor, recent: Any = (), generator: Any = None) -> int:
            seen.append(len(recent))
            return super().draw(logs, recent, generator)

    monkeypatch.setattr(task.network, "read", counted_read)
    monkeypatch.setattr(task.network, "step", counted_step)
    prompt = "the cat " * 300
    for _ in generate(task, prompt, 200, Counting(repetition_penalty=1.5, window=16)):
        pass
    assert reads == [(1, 256), (1, 256), (1, 89)]  # the prompt, once, in chunks
    assert steps == [(1,)] * 199
    assert seen[0] >= 16
    assert set(seen[1:]) == {16}


def test_a_repetition_penalty_reads_the_prompt_too(make: Make) -> None:
    task = make()
    found = {
        penalty: "".join(generate(task, "the cat sees", 1, Sampler(temperature=0, repetition_penalty=penalty)))
        for penalty in (1.0, 1e6)
    }
    recent = set(task.vocabulary.encode(["the cat sees"])[0]) | {END}
    drawn = [id_ for id_, symbol in enumerate(task.vocabulary.symbols()) if symbol == found[1e6].strip()]
    assert not recent & set(drawn)


def test_it_is_made_up_piece_by_piece(make: Make) -> None:
    endless = generate(make(), "the", 10**9, Sampler(), seed=0)
    assert len(list(itertools.islice(endless, 5))) == 5
    assert not torch.is_inference_mode_enabled()  # what stands between two pieces is the caller's
    assert (torch.ones(1, requires_grad=True) * 2).requires_grad


def test_length_is_in_symbols(make: Make) -> None:
    task = make("spaces")
    for length in (1, 7):
        pieces = list(generate(task, "", length, Sampler(), seed=3))
        assert len(pieces) == length + 1
        assert pieces[-1] == ""


def text_of(task: ModelLanguage, text: str, before: str = "") -> str:
    return as_text(task, task.vocabulary.encode_lines([text])[0][:-1], before)


@pytest.mark.parametrize(
    ("tokens", "text", "written"),
    [
        ("words", "the cat sees it . a dog , too !", "the cat sees it. a dog, too!"),
        ("words", "(don't) [go] 50 % $ 5", "(don't) [go] 50% $5"),
        ("words", "the cat\nsees\n\nit", "the cat\nsees\n\nit"),
        ("spaces", "the  cat sees it . (don't)", "the cat sees it . (don't)"),
        ("characters", "the  cat sees\nit .", "the  cat sees\nit ."),
        ("bpe", "the  cat sees\nit . ä€🎬 \x00 nothing is unknown", "the  cat sees\nit . ä€🎬 \x00 nothing is unknown"),
    ],
)
def test_symbols_become_text(make: Make, tokens: str, text: str, written: str) -> None:
    assert text_of(make(tokens), text) == written


@pytest.mark.parametrize(
    ("tokens", "before", "text", "written"),
    [
        ("words", "the", "cat", " cat"),
        ("words", "the ", "cat", "cat"),
        ("words", "the\n", "cat", "cat"),
        ("words", "the", ".", "."),
        ("words", "(", "the", "the"),
        ("words", "", "the", "the"),
        ("spaces", "the", ".", " ."),
        ("characters", "the", "c", "c"),
        ("bpe", "the", " cat", " cat"),
    ],
)
def test_text_goes_on_from_a_prompt(make: Make, tokens: str, before: str, text: str, written: str) -> None:
    assert text_of(make(tokens), text, before) == written


def test_a_character_of_several_byte_pairs_is_written_when_it_is_whole(make: Make) -> None:
    task = make("bpe")
    ids = task.vocabulary.encode(["ä€🎬x"])[0]
    assert len(ids) == 2 + 3 + 4 + 1
    stream = TextStream(task.vocabulary, "bpe")
    pieces = [stream.write(id_) for id_ in ids]
    assert pieces == ["", "ä", "", "", "€", "", "", "", "🎬", "x"]
    assert stream.end() == ""


def test_bytes_that_make_no_character(make: Make) -> None:
    task = make("bpe")
    euro, x = task.vocabulary.encode(["€"])[0], task.vocabulary.encode(["x"])[0]
    assert as_text(task, euro[:2]) == "\ufffd"
    assert as_text(task, [*euro[:2], *x]) == "\ufffdx"
    assert as_text(task, [*euro[:1], END, *euro]) == "\ufffd\n€"
    assert as_text(task, [euro[2], *x, *euro]) == "\ufffdx€"


def test_byte_pairs_are_the_bytes_of_their_text(make: Make) -> None:
    task = make("bpe")
    rng = random.Random(0)
    for _ in range(200):
        text = "".join(
            chr(rng.choice([rng.randrange(0x20, 0x2000), rng.randrange(0x10000, 0x10FFFF)])) for _ in range(9)
        )
        (ids,) = task.vocabulary.encode([text])
        normal = task.vocabulary.tokens(text)
        assert len(normal) == len(ids)
        found = b"".join(task.vocabulary.byte_pair(id_) for id_ in ids)
        assert found.decode() == unicodedata.normalize("NFC", text)
    alphabet = {task.vocabulary.symbols().index(letter) for letter in pre_tokenizers.ByteLevel.alphabet()}
    assert {task.vocabulary.byte_pair(id_) for id_ in alphabet} == {bytes([byte]) for byte in range(256)}


@pytest.mark.parametrize("tokens", KINDS)
def test_what_is_likeliest_sums_to_one_and_has_names_of_its_own(make: Make, tokens: str) -> None:
    task = make(tokens, [*WORDS, "€€ ää 🎬🎬"])
    found = most_likely(task, "the cat", 10_000)
    assert sum(each.probability for each in found) == pytest.approx(1, abs=1e-5)
    probabilities = [each.probability for each in found]
    assert probabilities == sorted(probabilities, reverse=True)
    assert len({each.text for each in found}) == len(found) == len(task.vocabulary) - 2
    assert "\n" in {each.text for each in found}
    few = most_likely(task, "the cat", 3)
    assert few == found[:3]
    if tokens in ("words", "spaces"):
        assert few[0].text == "".join(generate(task, "the cat", 1, Sampler(temperature=0))).strip(" ")


def test_likeliest_are_those_of_the_scores(make: Make) -> None:
    task = make()
    found = {each.text: each.probability for each in most_likely(task, "the cat", 100)}
    ids = task.vocabulary.encode(["the cat"])[0]
    known = 1 - sum(
        float(torch.tensor(task.log_probabilities(torch.tensor([*ids, never]).numpy().astype("int32"))[-1]).exp())
        for never in (PADDING, UNKNOWN)
    )
    for symbol in ("sees", "."):
        (id_,) = task.vocabulary.encode([symbol])[0]
        score = task.log_probabilities(torch.tensor([*ids, id_]).numpy().astype("int32"))[-1]
        assert found[symbol] == pytest.approx(float(torch.tensor(score).exp()) / known, rel=1e-4)


@pytest.mark.parametrize("ask", [lambda *a: list(generate(*a, 3, Sampler())), lambda *a: most_likely(*a, 3)])
def test_prompts_at_fault(make: Make, ask: Callable[..., Any]) -> None:
    with pytest.raises(DataError, match="prompt: none of its 2 symbols is known to the model"):
        ask(make(), "zzz yyy\n\n")
    with pytest.raises(DataError, match="prompt: holds half of a surrogate pair"):
        ask(make(), "a \udcff")
    for prompt in ("", " ", "\n", "zzz the"):
        assert ask(make(), prompt)


def test_a_seed_without_effect(make: Make) -> None:
    with pytest.raises(SettingsError, match=r"option 'seed' \(3\) would have no effect: with temperature 0 nothing is"):
        next(generate(make(), "", 3, Sampler(temperature=0), seed=3))


def test_a_long_prompt(make: Make) -> None:
    assert "".join(generate(make("characters"), "the cat " * 10_000, 3, Sampler(), seed=1))
