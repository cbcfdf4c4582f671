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
// the sum over k < length of operand(row)[k] * panels[k]; k and length count words.
template <int GATES, class Word, class Operand, class Finish>
INLINE void products(const Share& share, Index running, const Blocks& blocks, const Range& range, const Word* panels,
                     Index length, Operand operand, Finish finish) {
  for (Index block = range.first; block < range.last; ++block) {
    const Index first_vector = blocks.begin(block), vectors = blocks.size(block), columns = vectors * GATES;
    const Word* panel = panels + first_vector * GATES * WIDTH * length;
    for_tiles(share.rows(running), tile_rows(columns), [&](Index first, Index count) {
      const Word* operands[MAX_ROWS] = {};
      for (Index i = 0; i < count; ++i) operands[i] = operand(share.row + (first + i) * share.stride);
      Vector sums[MAX_ROWS * MAX_COLUMNS];
      find_product<Word>(count, columns)(operands, 1, panel, length, sums);
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
  const bool is_masked = Cell::NOISY && task.mask;
  if (is_masked || ROUNDED<typename Cell::Word>) {
    const Vector fed = is_masked ? h * load(task.mask + at.state, at.count) : h;
    store_operand<typename Cell::Word>(task.fed, at.step.begin + at.row, at.width, at.unit, fed);
  }
  if (at.row >= at.step.after_running) store(task.last_h + at.state, h, at.count);
}

template <class Cell>
void forward_step(const RecurraTask& task, const Step& step, const Share& share) {
  using Word = typename Cell::Word;
  const Index length = words<Word>(task.size);
  const Word *fed = as_words<Word>(task.fed), *first_fed = as_words<Word>(task.first_fed);
  const auto operand = [&](Index row) { return step.before(fed, first_fed, row, length); };
  const auto finish = [&](Index row, Index unit, const Vector* sums) ALWAYS_INLINE {
    const Place at = place<Cell>(task, step, row, unit, task.units);
    const Vector h = Cell::forward(at, sums);
    if constexpr (Cell::PROJECTED)
      store_operand<Word>(task.hidden, row, task.units, unit, h);
    else
      leave<Cell>(at, h);
  };
  const Word* panels = as_words<Word>(task.panels);
  products<Cell::GATES>(share, step.running, share.unit_blocks, share.units, panels, length, operand, finish);
}

template <class Cell>
void forward_projection(const RecurraTask& task, const Step& step, const Share& share) {
  using Word = typename Cell::Word;
  const Index length = words<Word>(task.units);
  const auto operand = [&](Index row) { return as_words<Word>(task.hidden) + row * length; };
  const auto finish = [&](Index row, Index unit, const Vector* sums) ALWAYS_INLINE {
    leave<Cell>(place<Cell>(task, step, row, unit, task.size), *sums);
  };
  const Word* panels = as_words<Word>(task.project_panels);
  products<1>(share, step.running, share.h_blocks, share.h, panels, length, operand, finish);
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

// The gradients of the gates, rounded, as they enter the product. They lie in two places in turn: a thread may be at the
// gates of a step while another is still at the product of the step after it.
INLINE Index rounded_row(const RecurraTask& task, const Step& step, Index row) {
  return step.number % 2 * task.batch + row;
}

template <class Cell>
INLINE void round_gates(const Place& at) {
  using Word = typename Cell::Word;
  if constexpr (ROUNDED<Word>)
    for (int gate = 0; gate < Cell::GATES; ++gate) {
      const Index row = rounded_row(at.task, at.step, at.row) * Cell::GATES + gate;
      store_operand<Word>(at.task.fed, row, at.task.units, at.unit, at.from_state(gate));
    }
}

// The gradients of the gates of a step, from the gradient of its state.
template <class Cell>
void backward_gates(const RecurraTask& task, const Step& step, const Share& share) {
  each_vector(share, step.running, share.unit_blocks, share.units, task.units, [&](Index row, Index unit) ALWAYS_INLINE {
    const Place at = place<Cell>(task, step, row, unit, task.units);
    const Index next = row + share.stride;
    if (next < step.running) place<Cell>(task, step, next, unit, task.units).prefetch(Cell::GATES);
    Vector stays{}, dh = gradient_of_h<Cell>(at, stays);
    const Vector direct = Cell::backward(at, dh);
    round_gates<Cell>(at);
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
    if constexpr (ROUNDED<typename Cell::Word>)
      store_operand<typename Cell::Word>(task.first_fed, row, task.size, unit, dh);
    store(task.carry_h + at.state, stays, at.count);
  });
}

// The gradients of the gates of a step, from the gradient of the projection's result.
template <class Cell>
void backward_hidden(const RecurraTask& task, const Step& step, const Share& share) {
  using Word = typename Cell::Word;
  const Index length = words<Word>(task.size);
  const auto operand = [&](Index row) {
    if constexpr (ROUNDED<Word>) return as_words<Word>(task.first_fed) + row * length;
    else return task.projected + (step.begin + row) * length;
  };
  const auto finish = [&](Index row, Index unit, const Vector* sums) ALWAYS_INLINE {
    const Place at = place<Cell>(task, step, row, unit, task.units);
    Cell::backward(at, *sums);
    round_gates<Cell>(at);
  };
  const Word* panels = as_words<Word>(task.project_panels);
  products<1>(share, step.running, share.unit_blocks, share.units, panels, length, operand, finish);
}

// The gradient of the state before a step, from the gradients of its gates.
template <class Cell>
void backward_state(const RecurraTask& task, const Step& step, const Share& share) {
  using Word = typename Cell::Word;
  const Index length = Cell::GATES * words<Word>(task.units);
  const auto operand = [&](Index row) {
    if constexpr (ROUNDED<Word>) return as_words<Word>(task.fed) + rounded_row(task, step, row) * length;
    else return task.from_state + (step.begin + row) * length;
  };
  const auto finish = [&](Index row, Index unit, const Vector* sums) ALWAYS_INLINE {
    const Index at = row * task.size + unit, count = task.size - unit;
    const Vector sum = Cell::NOISY && task.mask ? *sums * load(task.mask + at, count) : *sums;
    store(task.carry_h + at, load(task.carry_h + at, count) + sum, count);
  };
  products<1>(share, step.running, share.h_blocks, share.h, as_words<Word>(task.panels), length, operand, finish);
}
