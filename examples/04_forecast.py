"""The temperature of the Pacific a year ahead with a GRU, from a CSV file to a forecast with its intervals.

    python 04_forecast.py "Nino 3.4"

Every step is written out here; `recurra train forecast` does the same, and more, in one line.
"""

import copy
import csv
import sys
from collections import defaultdict

import torch
from torch import Tensor, nn

import recurra
from recurra.data.bundled import sea_temperature_path

WINDOW, HORIZON, YEAR = 36, 12, 12  # months that are read, months that are forecast, months of a season
VALID, TEST = 96, 252  # months at the end of each series; all before them are for training
EPOCHS, BATCH_SIZE = 12, 64
LEVELS = torch.tensor([0.1, 0.5, 0.9])  # the quantiles that are learnt: 80 % of what comes lies between the outer two


def read_series() -> dict[str, Tensor]:
    """Read a series for each region, [T], one value a month."""
    values = defaultdict(list)
    with open(sea_temperature_path(), newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            values[row["unique_id"]].append(float(row["y"]))
    return {name: torch.tensor(column) for name, column in values.items()}


def windows(series: Tensor, first: int, last: int) -> tuple[Tensor, Tensor, Tensor]:
    """Cut series [S, T] into all windows whose targets are in months [first, last): pasts, targets and origins.

    The origin is the month of the first target. A past [n, WINDOW] may begin before `first`, as it is known by then;
    no target [n, HORIZON] does, or training and test would share months.
    """
    pieces = series.unfold(1, WINDOW + HORIZON, 1)  # [S, T - WINDOW - HORIZON + 1, WINDOW + HORIZON], without a copy
    begin = max(first - WINDOW, 0)
    pieces = pieces[:, begin : last - WINDOW - HORIZON + 1]
    origins = torch.arange(begin + WINDOW, last - HORIZON + 1).repeat(len(series))
    pieces = pieces.reshape(-1, WINDOW + HORIZON)
    return pieces[:, :WINDOW], pieces[:, WINDOW:], origins


class Forecaster(nn.Module):
    """A GRU reads the window; from its last state come three quantiles of each month to come, all at once."""

    def __init__(self, size: int = 48) -> None:
        super().__init__()
        self.lasting = nn.Parameter(torch.ones(HORIZON))  # how much of the last value is left after each month
        self.gru = recurra.nn.GRU(3, size, batch_first=True)
        self.dropout = nn.Dropout(0.2)
        self.output = nn.Linear(size, HORIZON * len(LEVELS))

    def forward(self, pasts: Tensor, origins: Tensor) -> Tensor:
        """Forecast quantiles [B, HORIZON, 3] of what comes after pasts [B, WINDOW] that end before the origins [B]."""
        angles = 2 * torch.pi / YEAR * (origins.unsqueeze(1) + torch.arange(-WINDOW, 0))  # where in the year each is
        # The sea has warmed: a network that reads how warm it is clings to the decades that it learnt from.
        changes = pasts - pasts.mean(1, keepdim=True)
        _, last = self.gru(torch.stack([changes, angles.sin(), angles.cos()], dim=2))
        below, middle, above = self.output(self.dropout(last[-1])).view(len(pasts), HORIZON, -1).unbind(2)
        median = self.lasting * pasts[:, -1:] + middle
        widths = nn.functional.softplus(torch.stack([below, above]))  # never below zero: quantiles do not cross
        return torch.stack([median - widths[0], median, median + widths[1]], dim=2)


def quantile_loss(quantiles: Tensor, targets: Tensor) -> Tensor:
    """Mean pinball loss: least where a share of LEVELS of the targets is below each quantile."""
    errors = targets.unsqueeze(2) - quantiles
    return torch.maximum(LEVELS * errors, (LEVELS - 1) * errors).mean()


def train(model: Forecaster, series: Tensor, bounds: tuple[int, int]) -> None:
    """Learn from the months before the first bound; keep the epoch that is best on those up to the second."""
    pasts, targets, origins = windows(series, 0, bounds[0])
    valid_pasts, valid_targets, valid_origins = windows(series, *bounds)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    best, kept = float("inf"), model.state_dict()
    for epoch in range(1, EPOCHS + 1):
        model.train()
        losses = []
        for chosen in torch.randperm(len(pasts)).split(BATCH_SIZE):
            loss = quantile_loss(model(pasts[chosen], origins[chosen]), targets[chosen])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
            optimizer.step()
            losses.append(loss.item())
        model.eval()
        with torch.inference_mode():
            valid = quantile_loss(model(valid_pasts, valid_origins), valid_targets).item()
        print(f"epoch {epoch:2}/{EPOCHS}  training loss {sum(losses) / len(losses):.3f}  validation loss {valid:.3f}")
        if valid < best:
            best, kept = valid, copy.deepcopy(model.state_dict())
    model.load_state_dict(kept)
    model.eval()


def linear_map(series: Tensor, last: int) -> Tensor:
    """Fit a linear map from windows, with a 1 beside them, to targets by least squares: [WINDOW + 1, HORIZON]."""
    pasts, targets, _ = windows(series, 0, last)
    solution: Tensor = torch.linalg.lstsq(nn.functional.pad(pasts, (0, 1), value=1.0), targets).solution
    return solution


@torch.inference_mode()
def compare(model: Forecaster, series: Tensor, scale: Tensor, bounds: tuple[int, int]) -> None:
    """Stand at each month of the test in turn, knowing what was measured up to then, and forecast; print the errors."""
    pasts, targets, origins = windows(series, bounds[1], series.shape[1])
    region = torch.arange(len(series)).repeat_interleave(len(pasts) // len(series))
    quantiles = model(pasts, origins)
    forecasts = {
        "as a year before": pasts[:, -YEAR:],
        "mean of the month": torch.zeros_like(targets),
        "it stays so": pasts[:, -1:].expand(-1, HORIZON),
        "linear map": nn.functional.pad(pasts, (0, 1), value=1.0) @ linear_map(series, bounds[0]),
        "GRU": quantiles[:, :, 1],
    }
    for name, forecast in forecasts.items():
        errors = (forecast - targets).abs() * scale[region]  # in degrees again
        by_month = ", ".join(f"{month} ahead {errors[:, month - 1].mean():.2f}" for month in (1, 3, 6, 12))
        print(f"{name:17}  mean error {errors.mean():.2f} degrees; {by_month}")
    inside = (quantiles[:, :, 0] <= targets) & (targets <= quantiles[:, :, 2])
    print(f"80 % intervals of the GRU hold {100 * inside.float().mean():.0f} % of what came")


@torch.inference_mode()
def change_by_another_future(model: Forecaster, series: Tensor, origin: int) -> float:
    """Change all that comes from an origin on, forecast again, and tell the largest change: 0, or something leaks."""
    other = torch.cat([series[:, :origin], torch.full_like(series[:, origin:], 99.0)], dim=1)
    both = [windows(each, origin, origin + HORIZON) for each in (series, other)]
    usual, changed = (model(pasts, origins) for pasts, _, origins in both)
    return float((changed - usual).abs().max())


def main(region: str) -> None:
    torch.set_num_threads(1)  # the quickest for matrices this small, and sums are in the same order on every run
    torch.manual_seed(0)
    found = read_series()
    if region not in found:
        sys.exit(f"'{region}' is no region; there are: {', '.join(found)}")
    values = torch.stack(list(found.values()))
    months, number = values.shape[1], list(found).index(region)
    bounds = (months - TEST - VALID, months - TEST)  # by time, not at random: later months tell of those before them
    # What is usual in a month, and how far values are from it, by the training months alone: others tell of the test.
    training = values[:, : bounds[0]]
    usual = torch.stack([training[:, month::YEAR].mean(1) for month in range(YEAR)], dim=1)  # [S, YEAR]
    of_month = usual[:, torch.arange(months + HORIZON) % YEAR]
    scale = (training - of_month[:, : bounds[0]]).std(1, keepdim=True)
    series = (values - of_month[:, :months]) / scale

    model = Forecaster()
    train(model, series, bounds)
    compare(model, series, scale, bounds)
    change = change_by_another_future(model, series, origin=bounds[1] + TEST // 2)
    print(f"with another future the forecast changes by {change:g}")
    with torch.inference_mode():
        scaled = model(series[number : number + 1, -WINDOW:], torch.tensor([months]))[0]  # [HORIZON, 3]
    print(f"{region}, after the last month of the file:")
    degrees = scaled * scale[number] + of_month[number, months:].unsqueeze(1)
    for step, (low, middle, high) in enumerate(degrees.tolist(), start=1):
        print(f"  month {step:2}: {middle:.1f} ({low:.1f} to {high:.1f})")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "Nino 3.4")
