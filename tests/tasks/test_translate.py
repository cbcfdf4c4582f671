"""Translation against loops written with torch alone, its batches by what they must be, and its answers by hand."""

from __future__ import annotations

import json
import random
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from recurra.config import make_run_config
from recurra.data.pair_splits import pairs_in_memory
from recurra.errors import SettingsError
from recurra.fit import fit
from recurra.nn.sampling import Sampler
from recurra.search import Search
from recurra.tasks.translate import Translate
from recurra.tasks.translations import Writer, json_line, make_search
from recurra.train import Callback, StepRecord, train
from recurra.vocabulary import END, PADDING, UNKNOWN

SMALL: dict[str, Any] = {
    "tokens": "spaces",
    "hidden_size": 6,
    "embedding_size": 5,
    "dropout": 0.0,
    "epochs": 2,
    "min_count": 1,
    "batch_size": 4,
    "device": "cpu",
}


def made_up(count: int, seed: int = 0, letters: str = "abcdef") -> tuple[list[str], list[str]]:
    """Words of letters, and the same from the end in capitals."""
    rng = random.Random(seed)
    words = [rng.choices(letters, k=rng.randint(1, 6)) for _ in range(count)]
    return [" ".join(word) for word in words], [" ".join(word[::-1]).upper() for word in words]


def make(pairs: tuple[list[str], list[str]] | None = None, **options: Any) -> Translate:
    config = make_run_config("translate", data="memory", **{**SMALL, **options})
    sources, targets = made_up(24) if pairs is None else pairs
    held = (sources[:5], targets[:5])
    return Translate.from_splits(config, pairs_in_memory(sources, targets, held, 0.1, 0))


def shaken(**options: Any) -> Translate:
    """Not trained, but with weights large enough to have opinions."""
    task = make(**options)
    torch.manual_seed(1)
    for parameter in task.network.parameters():
        nn.init.normal_(parameter, std=0.8)
    return task


class ByHand(nn.Module):
    """An LSTM with general attention in torch.nn, one sentence at a time, with the same weights."""

    def __init__(self, task: Translate) -> None:
        super().__init__()
        told, state = task.config.model, {n: v.clone() for n, v in task.network.state_dict().items()}
        self.size, self.hidden, self.blind = told.embedding_size, told.hidden_size, told.attention == "none"
        self.parts = nn.ParameterDict({n.replace(".", "/"): nn.Parameter(v) for n, v in state.items()})
        self.encoder = nn.LSTM(self.size, self.hidden, bidirectional=True)
        self.decoder = nn.LSTM(self.size, self.hidden)
        for name, net in (("encoder", self.encoder), ("decoder", self.decoder)):
            start = f"{name}.recurrent."
            net.load_state_dict({n.removeprefix(start): v for n, v in state.items() if n.startswith(start)})
            for key in [key for key in self.parts if key.startswith(start.replace(".", "/"))]:
                del self.parts[key]

    def weight(self, name: str) -> Tensor:
        return self.parts[name.replace(".", "/")]

    def embed(self, name: str, ids: list[int]) -> Tensor:
        return self.size**0.5 * self.weight(name)[torch.tensor(ids)]

    def linear(self, name: str, data: Tensor) -> Tensor:
        bias = f"{name}/bias".replace(".", "/")
        return nn.functional.linear(data, self.weight(f"{name}.weight"), self.parts.get(bias))

    def forward(self, source: list[int], target: list[int]) -> Tensor:
        """Log-probabilities [T, V] before each symbol of a target."""
        memory, (h, c) = self.encoder(self.embed("source_embedding.weight", source))
        state = tuple(
            torch.tanh(self.linear(f"encoder.bridge.layers.{number}.0", part.reshape(1, -1)))
            for number, part in enumerate((h, c))
        )
        hidden, _ = self.decoder(self.embed("decoder.embedding.weight", [END, *target[:-1]]), state)
        if not self.blind:
            scores = hidden @ self.linear("decoder.attention.to_keys", memory).T / hidden.shape[1] ** 0.5
            weights = scores.softmax(1)
            hidden = torch.cat([weights @ memory, hidden], 1)
        attentional = self.linear("decoder.combine", hidden)
        logits = attentional @ self.weight("decoder.embedding.weight").T + self.weight("decoder.softmax.bias")
        return logits.log_softmax(1)


class Notes(Callback):
    """Keeps what each step did, and the weights after the last epoch."""

    def __init__(self, task: Translate) -> None:
        self.task, self.steps, self.last = task, [], {}  # type: ignore[var-annotated]

    def on_step(self, record: StepRecord) -> None:
        self.steps.append((record.loss, record.gradient_norm))

    def on_epoch(self, record: Any) -> None:
        self.last = {name: value.detach().clone() for name, value in self.task.network.state_dict().items()}


@pytest.mark.parametrize("options", [{}, {"attention": "none"}, {"label_smoothing": 0.0}], ids=str)
def test_training_is_that_of_a_loop_by_hand(options: dict[str, Any]) -> None:
    task = make(optimizer="sgd", learning_rate=1.0, clip_norm=0.2, schedule="constant", **options)
    net, notes, smoothing = ByHand(task), Notes(task), task.config.train.label_smoothing
    assert task.data is not None
    pairs = task.data.train.encoded
    batches = [pair_ids(batch) for epoch in (1, 2) for batch in task.batches(epoch)]
    train(task, callbacks=[notes])
    optimizer, expected = torch.optim.SGD(net.parameters(), 1.0, weight_decay=task.config.train.weight_decay), []
    for batch in batches:
        losses = []
        for source, target in batch:
            logs = net(source, target)
            right = logs.gather(1, torch.tensor(target)[:, None])[:, 0]
            losses.append(-(1 - smoothing) * right - smoothing * logs.mean(1))
        loss = torch.cat(losses).mean()
        optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(net.parameters(), 0.2)
        optimizer.step()
        expected.append((loss.item(), norm.item()))
    assert len(pairs) * 2 == sum(map(len, batches))
    np.testing.assert_allclose(notes.steps, expected, rtol=2e-4, atol=1e-5)
    assert any(norm > 0.2 for _, norm in expected)
    for name in ("source_embedding.weight", "decoder.embedding.weight", "decoder.combine.weight"):
        torch.testing.assert_close(notes.last[name], net.weight(name).data, rtol=0, atol=2e-5)
    for part in ("encoder", "decoder"):
        for name, value in getattr(net, part).state_dict().items():
            torch.testing.assert_close(notes.last[f"{part}.recurrent.{name}"], value, rtol=0, atol=2e-5)


def pair_ids(batch: Any) -> list[tuple[list[int], list[int]]]:
    """Each source and target of a batch as lists, without padding."""
    sources = [row[:n].tolist() for row, n in zip(batch.sources, batch.source_lengths)]
    return list(zip(sources, [row[:n].tolist() for row, n in zip(batch.targets, batch.lengths)]))


def test_batches_are_a_function_of_seed_and_epoch_and_hold_each_pair_once() -> None:
    task = make()
    assert task.data is not None
    encoded = task.data.train.encoded
    known = sorted((encoded.sources[n].tolist(), encoded.targets[n].tolist()) for n in range(len(encoded)))
    orders = []
    for other, epoch in ((task, 1), (make(), 1), (task, 2), (make(seed=1), 1)):
        batches = [pair_ids(batch) for batch in other.batches(epoch)]
        assert len(batches) == other.steps() == 6
        assert sorted(pair for pair in (list(pair) for batch in batches for pair in batch)) == [list(p) for p in known]
        orders.append(batches)
    assert orders[0] == orders[1]
    assert orders[0] != orders[2]
    assert orders[0] != orders[3]
    sizes = [sum(len(source) + len(target) for source, target in batch) / len(batch) for batch in orders[0]]
    assert max(sizes) > 1.5 * min(sizes)  # like lengths together


@pytest.mark.parametrize(("epochs", "shares"), [(5, [0, 0.2, 0.4, 0.6, 0.8]), (1, [0]), (2, [0, 0.8])])
def test_the_share_that_the_decoder_reads_from_itself_grows(epochs: int, shares: list[float]) -> None:
    task = make(epochs=epochs, scheduled_sampling=0.8)
    for epoch, share in enumerate(shares, start=1):
        assert [batch.sampling for batch in task.batches(epoch)] == pytest.approx([share] * task.steps())
    assert {batch.sampling for batch in make(epochs=epochs).batches(epochs)} == {0.0}
    assert task.data is not None
    assert task.data.valid.batch(np.arange(2)).sampling == 0


@pytest.mark.parametrize("attention", ["none", "general"])
def test_validation_is_the_mean_log_probability_by_hand(attention: str) -> None:
    task = shaken(attention=attention)
    net = ByHand(task)
    assert task.data is not None
    valid = task.data.valid
    expected = []
    for number in range(len(valid)):
        target = valid.encoded.targets[number].tolist()
        logs = net(valid.encoded.sources[number].tolist(), target)
        expected.append(logs.gather(1, torch.tensor(target)[:, None])[:, 0].detach().numpy())
    found = task.log_probabilities(valid)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    every = np.concatenate(expected)
    loss, score, error = task.validate()
    assert (loss, score) == (pytest.approx(-every.mean(), abs=1e-5), pytest.approx(every.mean(), abs=1e-5))
    assert error == pytest.approx(every.std() / len(every) ** 0.5, abs=1e-5)
    assert task.shown(score) == f"{np.exp(-score):.2f}"
    assert task.shown(-1e9)[:3] == "101"  # and no overflow


@pytest.mark.parametrize("training", [True, False])
def test_asking_leaves_the_network_as_it_was_and_drops_nothing(training: bool) -> None:
    task = shaken(dropout=0.5)
    task.network.train(training)
    found = [task.validate().loss for _ in range(2)]
    texts = [task.translate(["a b"], Search())[0][0].text for _ in range(2)]
    assert task.network.training is training
    assert found[0] == found[1]
    assert texts[0] == texts[1]


TEXTS = ["a b c", "", "f", "zzz a zzz", "b b b b b b b b", "c a f e"]


@pytest.mark.parametrize("attention", ["none", "general"])
def test_greedy_is_the_likeliest_symbol_of_each_step_by_hand(attention: str) -> None:
    task = shaken(attention=attention)
    net, ratio = ByHand(task), 2.0
    texts = [text for text in TEXTS if text]  # torch.nn reads no empty source
    for text, (found,) in zip(texts, task.translate(texts, Search(max_ratio=ratio)), strict=True):
        (source,) = task.vocabulary.encode([text])
        ids: list[int] = []
        total, limit = 0.0, int(ratio * len(source)) + 10
        while len(ids) < limit and END not in ids:
            logs = net(source, [*ids, END])[-1].detach()
            logs[PADDING] = -torch.inf
            ids.append(int(logs.argmax()))
            total += float(logs.max())
        assert found.tokens == [task.target_vocabulary.symbols()[id_] for id_ in ids if id_ != END]
        assert found.text == " ".join(found.tokens)
        assert found.log_probability == pytest.approx(total, abs=1e-4)
        assert found.score == pytest.approx(total / ((5 + len(ids)) / 6) ** 0.6, abs=1e-4)
        assert found.capped is (END not in ids)


def test_a_beam_of_the_whole_vocabulary_finds_the_best_of_all() -> None:
    task = shaken(pairs=(["a", "b", "a b", "b a"] * 2, ["x", "x x", "x", "x x x"] * 2))
    with torch.no_grad():  # so that of all texts, without end, the best are short, and all these are followed
        task.network.decoder.softmax.bias[END] += 12.0
    net, size = ByHand(task), len(task.target_vocabulary)
    assert size == 4
    (source,) = task.vocabulary.encode(["a b"])
    found = task.translate(["a b"], Search(beam=size, n_best=2, max_ratio=0.1))[0]
    ended = []
    for length in range(6):
        for ids in product([UNKNOWN, 3], repeat=length):
            target = [*ids, END]
            logs = net(source, target).gather(1, torch.tensor(target)[:, None])
            ended.append((logs.sum().item() / ((5 + len(target)) / 6) ** 0.6, list(ids)))
    ended.sort(reverse=True)
    symbols = task.target_vocabulary.symbols()
    assert [each.tokens for each in found] == [[symbols[id_] for id_ in ids] for _, ids in ended[:2]]
    assert [each.score for each in found] == pytest.approx([score for score, _ in ended[:2]], abs=1e-5)


@pytest.mark.parametrize(
    "options",
    [{}, {"attention": "none"}, {"copying": True}, {"coverage": True, "attention": "additive", "input_feeding": True}],
    ids=str,
)
@pytest.mark.parametrize("beam", [1, 4])
def test_a_text_alone_as_in_a_batch(options: dict[str, Any], beam: int) -> None:
    task = shaken(**options)
    search = Search(beam=beam, n_best=min(beam, 2), max_ratio=1.5)
    together = task.translate(TEXTS, search)
    for text, found in zip(TEXTS, together, strict=True):
        (alone,) = task.translate([text], search)
        assert [each.text for each in alone] == [each.text for each in found]
        assert [each.score for each in alone] == pytest.approx([each.score for each in found], abs=1e-5)
        for one, other in zip(alone, found):
            if one.alignment is None:
                assert other.alignment is None
                continue
            assert one.alignment.shape == (len(one.tokens), len(one.source_tokens))
            np.testing.assert_allclose(one.alignment, other.alignment, atol=1e-5)
            if one.source_tokens:
                np.testing.assert_allclose(one.alignment.sum(1), 1, atol=1e-5)


def test_the_n_best_are_sorted_and_different() -> None:
    for found in shaken().translate([text for text in TEXTS if text], Search(beam=6, n_best=6, max_ratio=4.0)):
        ended = [each.score for each in found if not each.capped]
        assert ended == sorted(ended, reverse=True)
        assert [each.capped for each in found] == sorted(each.capped for each in found)  # those that were cut come last
        assert len({tuple(each.tokens) for each in found}) == len(found) > 1


def test_what_was_cut_is_flagged_and_counted() -> None:
    task = shaken()
    with torch.no_grad():
        task.network.decoder.softmax.bias[END] = -1e4
    ((found,),) = task.translate(["a b c"], Search(max_ratio=2.0))
    assert (found.capped, len(found.tokens)) == (True, 16)
    assert json.loads(json_line("a b c", [found], False))["capped"] is True
    assert task.data is not None
    scores = task.evaluate(task.data.valid, task.fit_baseline())
    assert scores["capped"] == scores["sources"]
    assert any("cut at the most symbols an answer may have" in line for line in task.remarks(scores))


@pytest.mark.parametrize("options", [{}, {"attention": "none"}, {"copying": True}], ids=str)
def test_a_text_without_a_symbol_has_an_empty_translation(options: dict[str, Any]) -> None:
    task = shaken(**options)
    (found,), (empty,), (blank,) = task.translate(["a b", "", " "], Search(max_ratio=1.0))
    assert found.tokens
    for nothing in (empty, blank):
        assert (nothing.text, nothing.tokens, nothing.score, nothing.capped) == ("", [], 0.0, False)
    assert json.loads(json_line("", [empty], True))["translation"] == ""


def test_each_draw_is_its_own() -> None:
    task = shaken()
    drawn = Search(sampler=Sampler())
    texts = ["a b", "c d e", "a b", "f"]
    found = [best.tokens for best, *_ in task.translate(texts, drawn, seed=7)]
    assert found == [best.tokens for best, *_ in task.translate(texts, drawn, seed=7)]
    assert found != [best.tokens for best, *_ in task.translate(texts, drawn, seed=8)]
    assert found[0] != found[2]  # of one text
    for number, text in enumerate(texts):
        ((alone,),) = task.translate([text], drawn, seed=7 + number)
        assert alone.tokens == found[number]
    several = task.translate(["a b"], Search(sampler=Sampler(), n_best=5), seed=7)[0]
    assert len({tuple(each.tokens) for each in several}) > 1
    cold = task.translate(texts, Search(sampler=Sampler(temperature=0), max_ratio=2.0))
    greedy = task.translate(texts, Search(max_ratio=2.0))
    assert [best.tokens for best, *_ in cold] == [best.tokens for best, *_ in greedy]


@pytest.mark.parametrize("tokens", ["words", "spaces", "characters"])
def test_unknown_symbols_are_replaced_by_what_was_attended_to(tokens: str) -> None:
    task = shaken(tokens=tokens)
    with torch.no_grad():  # nothing but the unknown symbol
        task.network.decoder.softmax.bias.fill_(-1e3)
        task.network.decoder.softmax.bias[UNKNOWN] = 0.0
    text = "a zz c" if tokens != "characters" else "aüc"
    ((plain,),) = task.translate([text], Search(max_ratio=0.1))
    ((other,),) = task.translate([text], Search(max_ratio=0.1), replace_unknown=True)
    assert set(plain.tokens) == {"[UNK]"}
    assert plain.alignment is not None
    attended = [plain.source_tokens[row.argmax()] for row in plain.alignment]
    assert other.tokens == attended
    assert other.text == ("" if tokens == "characters" else " ").join(attended)
    assert (other.score, other.capped) == (plain.score, plain.capped)
    with pytest.raises(SettingsError, match="option 'replace_unknown' would have no effect: the model has no atte"):
        shaken(attention="none").translate(["a"], Search(), replace_unknown=True)


@pytest.mark.parametrize("tokens", ["words", "spaces", "characters"])
def test_unknown_symbols_are_copied_with_their_text(tokens: str) -> None:
    task = shaken(tokens=tokens, copying=True)
    gate = task.network.decoder.gate
    assert gate is not None
    with torch.no_grad():  # nothing but copies
        gate.score.weight.zero_()
        gate.score.bias.fill_(-50.0)
    text = "Qu , öö 77 ." if tokens != "characters" else "äöü"
    ((found,),) = task.translate([text], Search(max_ratio=1.0))
    assert found.alignment is not None
    for token, weights in zip(found.tokens, found.alignment, strict=True):
        shares = {symbol: sum(weights[np.array(found.source_tokens) == symbol]) for symbol in found.source_tokens}
        assert shares[token] == pytest.approx(max(shares.values()))
    assert found.capped
    assert "[UNK]" not in found.text
    if tokens == "words":
        assert " ," not in found.text
        assert " ." not in found.text
        assert found.text.replace(" ", "") == "".join(found.tokens)
    else:
        assert found.text == ("" if tokens == "characters" else " ").join(found.tokens)
    ((before,),) = task.translate([f"a {text} zz"], Search(max_ratio=1.0))
    assert set(before.tokens) <= set(before.source_tokens)


def test_targets_that_can_only_be_copied_have_a_probability_and_others_are_unknown() -> None:
    pairs = (["a b", "b c", "a c", "b a"] * 3, ["b a", "c b", "c a", "a b"] * 3)
    task = shaken(pairs=pairs, copying=True)
    assert task.data is not None
    size = len(task.vocabulary)
    assert task.vocabulary is task.target_vocabulary
    sources, targets = [["a new b"], ["new not"]]
    config = task.config
    splits = pairs_in_memory(pairs[0], pairs[1], (sources, targets), 0.1, 0)
    batch = Translate.from_splits(config, splits).data.valid.batch(np.arange(1))  # type: ignore[union-attr]
    assert batch.targets.tolist() == [[size, UNKNOWN, END]]
    assert batch.copies is not None
    assert batch.copies[0, 1] == size
    assert batch.sources[0, 1] == UNKNOWN
    assert torch.isfinite(task.network.score(batch)).all()


def test_a_source_of_several_pairs_is_one_with_several_references() -> None:
    pairs = (["d e", "a b", "b c", "a c", "e f", "f a"] * 2, ["v w", "x y", "y z", "x z", "w x", "x v"] * 2)
    config = make_run_config("translate", data="memory", **SMALL)
    held = (["a b", "a c", "a b", "q"], ["x y", "z", "y", "v w"])
    task = Translate.from_splits(config, pairs_in_memory(*pairs, held, 0.1, 0))
    assert task.data is not None
    scores = task.evaluate(task.data.valid, task.fit_baseline(), beam=1)
    assert (scores["sources"], scores["pairs"]) == (3, 4)
    nearest = scores["baselines"]["nearest source"]
    assert nearest["exact"]["value"] == pytest.approx(2 / 3)  # "x y" is one of two that are right; "q" has the first
    logs = np.concatenate(task.log_probabilities(task.data.valid))
    assert scores["model"]["nats"] == pytest.approx(-logs.mean())
    assert scores["unknown_share"] == pytest.approx(1 / 7)
    assert "nrefs:var" in scores["signatures"]["bleu"]


@pytest.mark.parametrize(
    "options", [{}, {"shared": True}, {"copying": True}, {"tokens": "characters", "target_tokens": "words"}], ids=str
)
def test_restored_from_its_facts_it_is_the_same(options: dict[str, Any]) -> None:
    task = shaken(**options)
    facts = json.loads(json.dumps(task.facts()))
    again = Translate.restore(task.config, task.vocabularies, facts)
    again.network.load_state_dict(task.network.state_dict())
    assert again.known == task.known
    assert again.facts() == task.facts()
    assert len(task.vocabularies) == (1 if task.config.one_vocabulary else 2)
    search = make_search(again.known.max_ratio, len(again.target_vocabulary))
    for ours, theirs in zip(task.translate(TEXTS, search), again.translate(TEXTS, search), strict=True):
        assert [each._replace(alignment=None) for each in ours] == [each._replace(alignment=None) for each in theirs]
    baseline = task.fit_baseline()
    assert again.restore_baseline(baseline.tensors()).targets == baseline.targets


@pytest.mark.parametrize("options", [{}, {"copying": True}, {"attention": "none", "shared": True}], ids=str)
def test_padding_does_not_matter(options: dict[str, Any]) -> None:
    task = shaken(**options)
    sequences = [([3, 4, 5], [4, END]), ([], [END]), ([UNKNOWN], [5, 6, UNKNOWN, 3, END])]
    plain, padded = task.responses(sequences), task.responses(sequences, padding=9)
    for number, (source, target) in enumerate(sequences):
        (alone,) = task.responses([(source, target)])
        assert len(plain[number]) == len(target)
        torch.testing.assert_close(plain[number], padded[number], rtol=0, atol=1e-6)
        torch.testing.assert_close(plain[number], alone, rtol=0, atol=1e-6)
    call = task.recurrent_call(sequences)
    assert call.lengths.tolist() == [3, 0, 1]


def test_a_beam_is_never_wider_than_the_vocabulary_unless_told() -> None:
    task = shaken(pairs=(["a", "b", "a b", "b a"] * 2, ["x", "x x", "x", "x x x"] * 2))
    assert task.search().beam == 4
    assert task.search(n_best=3).n_best == 3
    assert (task.search(beam=9).beam, task.search(n_best=9).beam) == (9, 9)
    with pytest.raises(SettingsError, match="beam: expected at most the size of the vocabulary, 4, got 9"):
        task.translate(["a"], task.search(beam=9))
    assert task.data is not None
    assert task.evaluate(task.data.valid, task.fit_baseline())["sources"] == 4
    assert task.search(temperature=0.5) == Search(1, max_ratio=task.known.max_ratio, sampler=Sampler(0.5))


def test_no_translation_of_training_is_cut_by_the_length_allowed() -> None:
    long = " ".join("A" * 100)
    task = make((["a", "b", "c d"] * 4, ["X", long, "Y"] * 4))
    limit = -(-task.known.max_ratio * 1 // 1) + 10
    assert limit >= 101
    assert make().known.max_ratio == 1.2


@pytest.mark.parametrize("tokens", ["words", "bpe"])
def test_a_translation_is_one_line(tokens: str) -> None:
    from recurra.config import VocabularyConfig
    from recurra.hypotheses import Hypothesis
    from recurra.vocabulary import Vocabulary

    vocabulary = Vocabulary.build([["to be, or not"] * 4], VocabularyConfig(tokens=tokens, min_count=1), has_end=True)
    (ids,) = vocabulary.encode(["to be, or not"])
    hypothesis = Hypothesis(ids, -1.0, -2.0, None, False)
    found = Writer(vocabulary, tokens).write(hypothesis, [], [])
    assert found.text == "to be, or not"
    assert len(found.tokens) == len(ids)
    assert found.alignment is None


class FailAfter(Callback):
    """Fail after a certain epoch, as any fault of the machine might."""

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch

    def on_epoch(self, record: Any) -> None:
        if record.epoch == self._epoch:
            raise RuntimeError("a fault of the machine")


@pytest.mark.parametrize(
    "options",
    [{}, {"scheduled_sampling": 0.5, "input_feeding": True}, {"copying": True, "coverage": True}],
    ids=["general", "sampling", "copying"],
)
def test_a_run_that_failed_is_resumed_bit_for_bit(options: dict[str, Any], tmp_path: Path) -> None:
    data = tmp_path / "pairs.tsv"
    data.write_text("".join(f"{a}\t{b}\n" for a, b in zip(*made_up(40))))
    given = {**SMALL, "epochs": 3, "dropout": 0.3, "batch_size": 16, **options}
    config = make_run_config("translate", data=str(data), **given)
    fit(config, tmp_path / "whole")
    with pytest.raises(RuntimeError, match="a fault of the machine"):
        fit(config, tmp_path / "m", callbacks=[FailAfter(2)])
    fit(config, tmp_path / "m", resume=True)
    for name in ("model.safetensors", "baseline.safetensors", *config.tokenizers):
        ours, theirs = ((tmp_path / place / name).read_bytes() for place in ("m", "whole"))
        assert ours == theirs, name
    metrics = [json.loads((tmp_path / place / "metrics.json").read_text()) for place in ("m", "whole")]
    assert metrics[0] == metrics[1]


def test_what_is_written_in_the_card(tmp_path: Path) -> None:
    mixed = make(tokens="characters", target_tokens="words").card()
    assert mixed[0].endswith("symbols of the source are characters, of the target words.")
    assert make().card()[0].startswith("Trained by recurra on 24 pairs of `memory`, to write `y` for `X`;")
