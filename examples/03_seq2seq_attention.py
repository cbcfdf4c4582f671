"""From numbers in words to numbers in figures, by an encoder and a decoder, without attention and with it.

    python 03_seq2seq_attention.py "forty million seven thousand and twelve"

Without attention all that the decoder learns of the source is one vector, however long the source is. With attention
it looks, for each figure that it writes, at the words.
"""

import random
import sys
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

import recurra
from recurra.nn.attention import Attended, Attention

STEPS, BATCH_SIZE, SIZE, PADDING, END = 800, 64, 64, 0, 1
LONGEST, SHADES = 13, " .:-=+*#@"  # twelve figures and the end; from no attention to all of it
NUMBERS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety"
)
SMALL, TENS, LARGE = NUMBERS.split()[:20], NUMBERS.split()[20:], ["", "thousand", "million", "billion"]
WORDS, FIGURES = ["<padding>", *SMALL, *TENS, "hundred", "and", *LARGE[1:]], ["<padding>", "<end>", *"0123456789"]
Pair = tuple[list[str], list[str]]  # the words of a number, and its figures


def below_thousand(number: int) -> list[str]:
    hundreds, rest = divmod(number, 100)
    words = [SMALL[rest]] if rest < 20 else [TENS[rest // 10 - 2], *([SMALL[rest % 10]] if rest % 10 else [])]
    return words if not hundreds else [SMALL[hundreds], "hundred", *(["and", *words] if rest else [])]


def make_pair() -> Pair:
    """Draw a number of up to 12 figures, of which zeros are frequent, and say it: 40007, forty thousand and seven."""
    number = int("".join(random.choices("000123456789", k=random.randint(1, 12))))
    groups = [(number // 1000**power % 1000, LARGE[power]) for power in (3, 2, 1)]
    words = [word for group, name in groups if group for word in (*below_thousand(group), name)]
    last = number % 1000
    if last or not words:
        words += [*(["and"] if words and last < 100 else []), *below_thousand(last)]
    return words, list(str(number))


def make_batch(texts: Sequence[list[str]], symbols: list[str]) -> tuple[Tensor, Tensor]:
    """Pad texts to the longest: ids [B, T], and how long each text really is [B]."""
    ids = [torch.tensor([symbols.index(symbol) for symbol in text]) for text in texts]
    return pad_sequence(ids, batch_first=True, padding_value=PADDING), torch.tensor([len(text) for text in texts])


class Translator(nn.Module):
    """An encoder that reads the words, a decoder that writes the figures and, if wanted, attention between them."""

    def __init__(self, with_attention: bool) -> None:
        super().__init__()
        self.words, self.figures = nn.Embedding(len(WORDS), SIZE), nn.Embedding(len(FIGURES), SIZE)
        self.encoder = recurra.nn.GRU(SIZE, SIZE, bidirectional=True, batch_first=True)
        self.bridge = nn.Linear(2 * SIZE, SIZE)
        self.decoder = recurra.nn.GRU(SIZE, SIZE, batch_first=True)
        self.attention = Attention("additive", query_size=SIZE, memory_size=2 * SIZE) if with_attention else None
        self.output = nn.Linear(3 * SIZE if with_attention else SIZE, len(FIGURES))

    def encode(self, sources: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Read sources [B, S]: a vector for each word [B, S, 2H], and the state that the decoder begins with [1, B, H].

        The vector of a word says what the word means between those on both its sides. The last states of both
        directions have read all of the source, but are as large for twenty words as for one: the bottleneck.
        """
        outputs, h_n = self.encoder(self.words(sources), lengths=lengths)
        return outputs, torch.tanh(self.bridge(torch.cat([h_n[0], h_n[1]], dim=1))).unsqueeze(0)

    def score(self, states: Tensor, outputs: Tensor, lengths: Tensor) -> tuple[Tensor, Attended | None]:
        """Score the figures that can be next, [B, T, V], in each state of the decoder [B, T, H]."""
        if self.attention is None:
            return self.output(states), None
        # A state is a query: what is needed now? Each word has a key to compare it with. The weights are the softmax of
        # how well they fit, over the words of this source alone; the context is the mean of their vectors by weight.
        found = self.attention(states, self.attention.prepare(outputs, lengths))
        return self.output(torch.cat([states, found.context], dim=2)), found

    def forward(self, sources: Tensor, lengths: Tensor, targets: Tensor, target_lengths: Tensor) -> Tensor:
        """The loss. Teacher forcing: each step reads the true figure before it, so all steps are one call."""
        outputs, state = self.encode(sources, lengths)
        before = nn.functional.pad(targets[:, :-1], (1, 0), value=END)  # where a text ends the next could begin
        states, _ = self.decoder(self.figures(before), state, lengths=target_lengths)
        scores, _ = self.score(states, outputs, lengths)
        return nn.functional.cross_entropy(scores.flatten(0, 1), targets.flatten(), ignore_index=PADDING)

    @torch.inference_mode()
    def translate(self, texts: list[list[str]]) -> tuple[list[str], Tensor | None]:
        """Write greedily: each step reads the figure that the step before found best; also the weights [B, T, S]."""
        sources, lengths = make_batch(texts, WORDS)
        outputs, state = self.encode(sources, lengths)
        ids, written, weights = torch.full((len(texts), 1), END), [], []
        for _ in range(LONGEST):
            states, state = self.decoder(self.figures(ids), state)
            scores, found = self.score(states, outputs, lengths)
            ids = scores.argmax(2)
            written.append(ids)
            weights += [] if found is None else [found.weights]
        rows = [row[: row.index(END)] if END in row else row for row in torch.cat(written, 1).tolist()]
        return ["".join(FIGURES[id_] for id_ in row) for row in rows], torch.cat(weights, 1) if weights else None


def train(model: Translator, pairs: list[Pair], name: str) -> None:
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    losses = []
    for step in range(1, STEPS + 1):
        words, figures = zip(*random.sample(pairs, BATCH_SIZE))
        targets = make_batch([[*text, "<end>"] for text in figures], FIGURES)
        loss = model(*make_batch(words, WORDS), *targets)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)  # one steep step must not undo the others
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if step % (STEPS // 8) == 0:
            print(f"{name}, step {step:4}/{STEPS}  loss {sum(losses[-100:]) / 100:.3f}")


def show_alignment(words: list[str], answer: str, weights: Tensor) -> None:
    """Print the weights [T, S] of one source: a row for each word, a column for each figure, dark where it looked."""
    width = max(map(len, words))
    print(f"\n{'':{width}}  {' '.join(answer)}")
    for word, row in zip(words, weights.T.tolist()):
        shades = (SHADES[round(weight * (len(SHADES) - 1))] for weight in row[: len(answer)])
        print(f"{word:>{width}}  {' '.join(shades)}")


def main(sentences: list[str]) -> None:
    given = [sentence.lower().split() for sentence in sentences]
    for word in (word for words in given for word in words if word not in WORDS[1:]):
        sys.exit(f"'{word}' is no word of a number; there are: {' '.join(WORDS[1:])}")
    torch.set_num_threads(1)  # the quickest for matrices this small, and sums are in the same order on every run
    random.seed(0)
    pairs = [*{tuple(words): (words, figures) for words, figures in (make_pair() for _ in range(12000))}.values()]
    random.shuffle(pairs)
    test, training = pairs[:1000], pairs[1000:]  # each number stands in one of the two alone
    answers = {}
    for name in ("without attention", "with attention"):
        torch.manual_seed(0)
        model = Translator(with_attention=name == "with attention")
        train(model, training, name)
        answers[name], _ = model.translate([words for words, _ in test])

    for first, last in ((1, 5), (6, 10), (11, 15), (16, 23)):
        chosen = [number for number, (words, _) in enumerate(test) if first <= len(words) <= last]
        right = {name: sum(texts[n] == "".join(test[n][1]) for n in chosen) for name, texts in answers.items()}
        shares = (f"{name} {100 * count / len(chosen):5.1f} %" for name, count in right.items())
        print(f"test, {first:2} to {last:2} words ({len(chosen)} numbers), right {', '.join(shares)}")
    for number, (words, _) in enumerate(test[:3]):
        print(f"{' '.join(words)}: {', '.join(f'{name} {texts[number]}' for name, texts in answers.items())}")
    for words in filter(None, given):
        (answer,), weights = model.translate([words])  # of the model that was trained last, with attention
        assert weights is not None
        print(f"\n{' '.join(words)}: {answer}")
        show_alignment(words, answer, weights[0])


if __name__ == "__main__":
    main(sys.argv[1:] or ["forty million seven thousand and twelve"])
