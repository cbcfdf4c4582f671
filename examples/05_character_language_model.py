"""A language model of characters with an LSTM, from the documentation on your machine to text of its own.

    python 05_character_language_model.py "def " "Return the "

It reads one character and says which comes next. The text is one long stream, cut into pieces for training: the state
goes from piece to piece, the gradient does not (truncated backpropagation through time).
"""

import math
import sys
from collections import Counter

import torch
from torch import Tensor, nn

import recurra
from recurra.demo.documentation import gather_documentation

CHARACTERS, HELD_OUT = 400_000, 40_000  # of the text that is read; at its end, for the test alone
EPOCHS, STREAMS, STEPS = 5, 12, 64  # passes; streams read side by side; characters from cut to cut
State = tuple[Tensor, Tensor]  # h and c of the LSTM, [1, B, H] each


class LanguageModel(nn.Module):
    """Embedding, LSTM, one score for each character that may come next."""

    def __init__(self, characters: str, size: int = 160) -> None:
        super().__init__()
        self.characters = characters
        self.embedding = nn.Embedding(len(characters), 48)
        self.lstm = recurra.nn.LSTM(48, size)
        self.output = nn.Linear(size, len(characters))

    def forward(self, numbers: Tensor, state: State | None) -> tuple[Tensor, State]:
        """Score the next character after each of numbers [T, B]: [T, B, V], and the state behind the last."""
        outputs, state = self.lstm(self.embedding(numbers), state)
        return self.output(outputs), state

    def numbered(self, text: str) -> Tensor:
        """The number of each character; one that was never met is skipped."""
        return torch.tensor([self.characters.index(c) for c in text if c in self.characters], dtype=torch.long)


def streams(numbers: Tensor, count: int) -> Tensor:
    """Cut a text into streams that are read side by side, [T, count]; a rest at the end is left out."""
    return numbers[: len(numbers) // count * count].view(count, -1).t()


def train_epoch(model: LanguageModel, optimizer: torch.optim.Optimizer, text: Tensor) -> float:
    """Read all streams from their beginning to their end, and learn after each piece; return the mean loss."""
    model.train()
    state, losses = None, []
    for start in range(0, len(text) - 1, STEPS):
        piece, following = text[start : start + STEPS], text[start + 1 : start + STEPS + 1]
        scores, state = model(piece[: len(following)], state)
        state = tuple(part.detach() for part in state)  # without this, the next backward would run through all before
        loss = nn.functional.cross_entropy(scores.flatten(0, 1), following.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
        optimizer.step()
        losses.append(loss.item())
    return sum(losses) / len(losses)


@torch.inference_mode()
def bits(model: LanguageModel, text: Tensor, steps: int, carried: bool) -> float:
    """Bits that a character of streams [T, B] takes, if the state goes from piece to piece or begins anew in each."""
    model.eval()
    state, total = None, 0.0
    for start in range(0, len(text) - 1, steps):
        following = text[start + 1 : start + steps + 1]
        scores, after = model(text[start : start + len(following)], state)
        state = after if carried else None
        total += nn.functional.cross_entropy(scores.flatten(0, 1), following.flatten(), reduction="sum").item()
    return total / (text.shape[1] * (len(text) - 1)) / math.log(2)


def bits_of_counts(train: str, test: str, order: int) -> float:
    """Bits that a character takes by how often it came after the `order` characters before it in training.

    Counts of longer beginnings lean on those of shorter ones (Witten, Bell, 1991).
    """
    seen = [Counter(train[i : i + length + 1] for i in range(len(train) - length)) for length in range(order + 1)]
    before, kinds = [Counter[str]() for _ in seen], [Counter[str]() for _ in seen]
    for length, counts in enumerate(seen):
        for piece, count in counts.items():
            before[length][piece[:-1]] += count
            kinds[length][piece[:-1]] += 1
    total = 0.0
    for at in range(order, len(test)):
        share = 1 / len(seen[0])
        for length in range(order + 1):
            piece = test[at - length : at + 1]
            new = kinds[length][piece[:-1]]  # how many different ones came there: how likely yet another one is
            share = (seen[length][piece] + new * share) / (before[length][piece[:-1]] + new) if new else share
        total -= math.log2(share)
    return total / (len(test) - order)


@torch.inference_mode()
def write(model: LanguageModel, beginning: str, length: int, temperature: float = 0.6) -> str:
    """Go on from a beginning, one drawn character at a time; below a temperature of 1, likelier ones win more often."""
    model.eval()
    text, state = beginning, None
    numbers = model.numbered(beginning).unsqueeze(1)
    for _ in range(length):
        scores, state = model(numbers, state)
        numbers = torch.multinomial((scores[-1] / temperature).softmax(dim=1), 1)
        text += model.characters[int(numbers)]
    return text


def main(beginnings: list[str]) -> None:
    torch.set_num_threads(1)  # the quickest for matrices this small, and sums are in the same order on every run
    torch.manual_seed(0)
    text = gather_documentation().text[:CHARACTERS]
    train, test = text[:-HELD_OUT], text[-HELD_OUT:]
    model = LanguageModel("".join(sorted(set(train))))
    pieces, held_out = streams(model.numbered(train), STREAMS), streams(model.numbered(test), 8)
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS, eta_min=1e-3)
    for epoch in range(1, EPOCHS + 1):
        loss = train_epoch(model, optimizer, pieces)
        schedule.step()
        print(f"epoch {epoch}/{EPOCHS}  training loss {loss / math.log(2):.2f} bits a character")

    for order in (0, 2, 4):
        print(f"test, counts after {order} characters: {bits_of_counts(train, test, order):.2f} bits a character")
    print(f"test, LSTM that begins anew every 16 characters: {bits(model, held_out, 16, carried=False):.2f}")
    print(f"test, LSTM that carries its state: {bits(model, held_out, 16, carried=True):.2f}")
    whole = bits(model, held_out, len(held_out), carried=True)
    print(f"test, LSTM that reads all at once: {whole:.2f} (the same: pieces change nothing where state is carried)")
    for beginning in (each for each in beginnings if len(model.numbered(each))):
        print(f"--- {beginning!r} goes on\n{write(model, beginning, 200)}")


if __name__ == "__main__":
    main(sys.argv[1:] or ["Return the ", "This method "])
