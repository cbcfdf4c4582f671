// One step of the loop over time, forward and backward, for what one thread has of it.
#pragma once

#include <algorithm>

#include "cells.h"
#include "tile.h"

// A part of some blocks.
struct Range {
  Index first, last;

  Range(const Blocks& blocks, Index part, Index parts)
      : first(blocks.count * part / parts), last(blocks.count * (part + 1) / parts) {}
};

// What one thread does: the sequences row, row + stride, ... and a range of blocks of units, and of blocks of h.
struct Share {
  Index row, stride;
  const Blocks &unit_blocks, &h_blocks;
  Range units, h;

  Index rows(Index running) const { return row < running ? (running - row + stride - 1) / stride : 0; }
};

template <class Cell>
INLINE Place place(const RecurraTask& task, const Step& step, Index row, Index unit, Index width) {
  const Index token = step.begin + row;
  return {task,
          step,
          row,
          unit,
          width,
          row * width + unit,
          token * width + unit,
          token * width * Cell::GATES + unit,
          token * task.grad_stride + unit,
          width - unit};
}

// finish(row, unit, sums) for every vector of these blocks in every row of the share: for each of GATES,
// the sum over k < length of operand(row)[k] * panels[k].
template <int GATES, class Operand, class Finish>
INLINE void products(const Share& share, Index running, const Blocks& blocks, const Range& range, const float* panels,
                     Index length, Operand operand, Finish finish) {
  for (Index block = range.first; block < range.last; ++block) {
    const Index first_vector = blocks.begin(block), vectors = blocks.size(block), columns = vectors * GATES;
    const float* panel = panels + first_vector * GATES * WIDTH * length;
    for_tiles(share.rows(running), tile_rows(columns), [&](Index first, Index count) {
      const float* operands[MAX_ROWS] = {};
      for (Index i = 0; i < count; ++i) operands[i] = operand(share.row + (first + i) * share.stride);
      Vector sums[MAX_ROWS * MAX_COLUMNS];
      find_product(count, columns)(operands, 1, panel, length, sums);
      for (Index i = 0; i < count; ++i) {
        const Index row = share.row + (first + i) * share.stride;
        for (Index v = 0; v < vectors; ++v) finish(row, (first_vector + v) * WIDTH, sums + i * columns + v * GATES);
      }
    });
  }
}

// Calls body(row, unit) for every vector of these blocks in every row of the share.
template <class Body>
INLINE void each_vector(const Share& share, Index running, const Blocks& blocks, const Range& range, Index width, Body body) {
  const Index end = std::min(blocks.begin(range.last) * WIDTH, width);
  for (Index row = share.row; row < running; row += share.stride)
    for (Index unit = blocks.begin(range.first) * WIDTH; unit < end; unit += WIDTH) body(row, unit);
}

// What becomes of h once the cell, and the projection, have made it.
template <class Cell>
INLINE void leave(const Place& at, Vector h) {
  const RecurraTask& task = at.task;
  if (Cell::NOISY && task.zoneout_h) h = zoned(h, at.before_h(), at.share_h());
  store(task.output + at.token, h, at.count);
  if (Cell::NOISY && task.mask) store(task.fed + at.token, h * load(task.mask + at.state, at.count), at.count);
  if (at.row >= at.step.after_running) store(task.last_h + at.state, h, at.count);
}

template <class Cell>
void forward_step(const RecurraTask& task, const Step& step, const Share& share) {
  const auto operand = [&](Index row) { return step.before(task.fed, task.first_fed, row, task.size); };
  const auto finish = [&](Index row, Index unit, const Vector* sums) ALWAYS_INLINE {
    const Place at = place<Cell>(task, step, row, unit, task.units);
    const Vector h = Cell::forward(at, sums);
    if constexpr (Cell::PROJECTED)
      store(task.hidden + at.state, h, at.count);
    else
      leave<Cell>(at, h);
  };
  products<Cell::GATES>(share, step.running, share.unit_blocks, share.units, task.panels, task.size, operand, finish);
}

template <class Cell>
void forward_projection(const RecurraTask& task, const Step& step, const Share& share) {
  const auto operand = [&](Index row) { return task.hidden + row * task.units; };
  const auto finish = [&](Index row, Index unit, const Vector* sums) ALWAYS_INLINE {
    leave<Cell>(place<Cell>(task, step, row, unit, task.size), *sums);
  };
  products<1>(share, step.running, share.h_blocks, share.h, task.project_panels, task.units, operand, finish);
}

// The gradient of h before zoneout. What of it goes to the state before by zoneout goes into `stays`.
template <class Cell>
INLINE Vector gradient_of_h(const Place& at, Vector& stays) {
  Vector dh = at.gradient(), h = at.before_h();
  store(at.task.before + at.token, Cell::NOISY && at.task.mask ? h * load(at.task.mask + at.state, at.count) : h, at.count);
  if (!Cell::NOISY || !at.task.zoneout_h) return dh;
  stays = dh * at.share_h();
  return dh - stays;
}

// The gradients of the gates of a step, from the gradient of its state.
template <class Cell>
void backward_gates(const RecurraTask& task, const Step& step, const Share& share) {
  each_vector(share, step.running, share.unit_blocks, share.units, task.units, [&](Index row, Index unit) ALWAYS_INLINE {
    const Place at = place<Cell>(task, step, row, unit, task.units);
    Vector stays{}, dh = gradient_of_h<Cell>(at, stays);
    const Vector direct = Cell::backward(at, dh);
    store(task.carry_h + at.state, Cell::NOISY && task.zoneout_h ? direct + stays : direct, at.count);
  });
}

// The gradient of a projection's result, from the gradient of the state.
template <class Cell>
void backward_projection(const RecurraTask& task, const Step& step, const Share& share) {
  each_vector(share, step.running, share.h_blocks, share.h, task.size, [&](Index row, Index unit) ALWAYS_INLINE {
    const Place at = place<Cell>(task, step, row, unit, task.size);
    Vector stays{}, dh = gradient_of_h<Cell>(at, stays);
    store(task.projected + at.token, dh, at.count);
    store(task.carry_h + at.state, stays, at.count);
  });
}

// The gradients of the gates of a step, from the gradient of the projection's result.
template <class Cell>
void backward_hidden(const RecurraTask& task, const Step& step, const Share& share) {
  const auto operand = [&](Index row) { return task.projected + (step.begin + row) * task.size; };
  const auto finish = [&](Index row, Index unit, const Vector* sums) ALWAYS_INLINE {
    Cell::backward(place<Cell>(task, step, row, unit, task.units), *sums);
  };
  products<1>(share, step.running, share.unit_blocks, share.units, task.project_panels, task.size, operand, finish);
}

// The gradient of the state before a step, from the gradients of its gates.
template <class Cell>
void backward_state(const RecurraTask& task, const Step& step, const Share& share) {
  const Index length = Cell::GATES * task.units;
  const auto operand = [&](Index row) { return task.from_state + (step.begin + row) * length; };
  const auto finish = [&](Index row, Index unit, const Vector* sums) ALWAYS_INLINE {
    const Index at = row * task.size + unit, count = task.size - unit;
    const Vector sum = Cell::NOISY && task.mask ? *sums * load(task.mask + at, count) : *sums;
    store(task.carry_h + at, load(task.carry_h + at, count) + sum, count);
  };
  products<1>(share, step.running, share.h_blocks, share.h, task.panels, length, operand, finish);
}
