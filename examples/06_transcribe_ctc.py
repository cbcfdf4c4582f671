"""Telephone keys heard under noise and written down with an LSTM and CTC, from sound to a number of your own.

    python 06_transcribe_ctc.py "0123*#" recording.wav

Training knows what was dialled, not when: connectionist temporal classification (Graves et al., 2006) sums over all
ways in which the symbols may lie on the frames. Every step is written out here; `recurra train transcribe` does more.
"""

import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
import soundfile
import torch
from rapidfuzz.distance import Levenshtein
from torch import Tensor, nn

import recurra
from recurra.demo.keypad import KEYS, RATE, dial, draw_number, key_tones

STEPS, BATCH_SIZE, BLANK = 640, 16, 0  # "blank": nothing new is heard in this frame
FRAME, HOP = 256, 128  # samples of a frame, and from one frame to the next: 32 and 16 ms
NOISES = (20, 0, -5, -10)  # decibels by which the tones are louder than the noise
Number = tuple[Tensor, str]  # sound [n], and the keys that were dialled


def draw(count: int, noise: float | None, chance: np.random.Generator) -> list[Number]:
    """Dial numbers of 3 to 8 keys, with some noise, or each with another where it is None."""
    sounded = []
    for _ in range(count):
        level = chance.uniform(-8, 20) if noise is None else noise
        dialled = dial(draw_number(chance, 3, 8), level, chance)
        sounded.append((torch.from_numpy(dialled.samples), dialled.text))
    return sounded


def features(sound: Tensor) -> Tensor:
    """How strong each frequency is in each frame, as a logarithm less its mean over the frames, [T, FRAME / 2 + 1]."""
    spectrum = torch.stft(sound, FRAME, HOP, window=torch.hann_window(FRAME), return_complex=True).abs().t()
    strengths = (spectrum + 1e-4).log()
    return strengths - strengths.mean(0)


class Listener(nn.Module):
    """An LSTM in both directions over the frames; at each frame a score for every key, and one for "nothing new"."""

    def __init__(self, size: int = 64) -> None:
        super().__init__()
        self.lstm = recurra.nn.LSTM(FRAME // 2 + 1, size, bidirectional=True, batch_first=True)
        self.output = nn.Linear(2 * size, len(KEYS) + 1)

    def forward(self, sounds: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Log-probabilities of the symbols at each frame [B, T, C], and how many frames each sound really has [B]."""
        frames = [features(sound) for sound in sounds]
        lengths = torch.tensor([len(each) for each in frames])
        outputs, _ = self.lstm(nn.utils.rnn.pad_sequence(frames, batch_first=True), lengths=lengths)
        return self.output(outputs).log_softmax(dim=2), lengths

    @torch.inference_mode()
    def transcribe(self, sounds: Sequence[Tensor]) -> list[str]:
        """The best symbol of each frame; then repeats become one, and blanks are dropped."""
        found, lengths = self(sounds)
        best = [row[:length].argmax(1).tolist() for row, length in zip(found, lengths)]
        return ["".join(KEYS[symbol - 1] for symbol, _ in groupby(row) if symbol != BLANK) for row in best]


def train(model: Listener, chance: np.random.Generator) -> None:
    """Learn from numbers that are drawn anew in each step."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=6e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=6e-3, total_steps=STEPS)
    losses = []
    for step in range(1, STEPS + 1):
        sounds, texts = zip(*draw(BATCH_SIZE, None, chance))
        found, lengths = model(sounds)
        targets = torch.tensor([KEYS.index(key) + 1 for text in texts for key in text])
        target_lengths = torch.tensor([len(text) for text in texts])
        # torch wants time first. Frames behind a sound's end do not count: it reads no more than `lengths` of each.
        loss = nn.functional.ctc_loss(found.transpose(0, 1), targets, lengths, target_lengths, blank=BLANK)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if step % 80 == 0:
            print(f"step {step:3}/{STEPS}  loss {sum(losses[-80:]) / 80:.3f}")


def loudest_tones(sound: Tensor) -> str:
    """What to beat: in each frame the key whose two tones are strongest, where they stand out; no learning."""
    window = torch.hann_window(FRAME)
    time = torch.arange(FRAME) / RATE
    waves = torch.stack([torch.exp(2j * torch.pi * hertz * time) for key in KEYS for hertz in key_tones(key)])
    frames = sound.unfold(0, FRAME, HOP) * window
    strengths = (frames.to(waves.dtype) @ waves.t()).abs().view(len(frames), len(KEYS), 2).amin(2)  # [T, keys]
    strongest, keys = strengths.max(1)
    heard = [int(key) if strong > 0.5 * strongest.max() else -1 for key, strong in zip(keys, strongest)]
    return "".join(KEYS[key] for key, _ in groupby(heard) if key >= 0)


def error_rate(answers: Sequence[str], numbers: Sequence[Number]) -> float:
    """Keys to put in, take out or change, in percent of the keys that were dialled."""
    edits = sum(Levenshtein.distance(answer, text) for answer, (_, text) in zip(answers, numbers, strict=True))
    return 100 * edits / sum(len(text) for _, text in numbers)


def main(wishes: list[str]) -> None:
    torch.set_num_threads(1)  # the quickest for matrices this small, and sums are in the same order on every run
    torch.manual_seed(0)
    chance = np.random.default_rng(0)
    wanted = []
    for wish in wishes:
        if Path(wish).is_file():
            samples, rate = soundfile.read(wish, dtype="float32", always_2d=True)
            if rate != RATE or samples.shape[1] != 1:
                sys.exit(f"{wish}: expected one channel at {RATE} Hz, found {samples.shape[1]} at {rate} Hz")
            wanted.append((wish, torch.from_numpy(samples[:, 0])))
        elif wish and set(wish) <= set(KEYS):
            wanted.append((wish, torch.from_numpy(dial(wish, 0.0, chance).samples)))
        else:
            sys.exit(f"'{wish}' is neither a file nor a number; the keys are {KEYS}")

    model = Listener()
    train(model, chance)
    model.eval()
    for noise in NOISES:
        numbers = draw(100, noise, chance)
        sounds = [sound for sound, _ in numbers]
        usual = error_rate([loudest_tones(sound) for sound in sounds], numbers)
        found = model.transcribe(sounds)
        alone = [model.transcribe([sound])[0] for sound in sounds]
        differing = sum(one != other for one, other in zip(found, alone))
        rates = f"loudest tones {usual:5.1f} %, LSTM {error_rate(found, numbers):5.1f} %"
        print(f"tones at {noise:3} dB: key errors of {rates}; alone, {differing} of {len(found)} answers differ")
    for wish, sound in wanted:
        print(f"{wish}: heard {model.transcribe([sound])[0]}")


if __name__ == "__main__":
    main(sys.argv[1:] or ["0123*#"])
