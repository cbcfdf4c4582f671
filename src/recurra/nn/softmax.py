import torch
from torch import nn


class FullSoftmax(nn.Module):
    def __init__(self, size, vocabulary_size, weight=None):
        super().__init__()
        self._w = (weight,)
        self.bias = nn.Parameter(torch.zeros(vocabulary_size))

    def forward(self, hidden, targets):
        return nn.functional.cross_entropy(
            nn.functional.linear(hidden, self._w[0], self.bias).float(), targets, reduction="none"
        )

    def log_probabilities(self, hidden):
        return nn.functional.linear(hidden, self._w[0], self.bias).log_softmax(-1)


AdaptiveSoftmax = FullSoftmax
