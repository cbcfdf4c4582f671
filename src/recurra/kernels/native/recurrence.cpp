// The loop over time of a recurrent layer, forward and backward.
//
// The rows of a batch do not depend on one another, so each thread takes every n-th sequence through all the steps and
// no thread waits for another. Where there are too few sequences for that, threads share the hidden units of a row as
// well and meet after each step.
//
// A step is a product of the state with W_hh, tile by tile (a few rows times a few vectors of columns, whose sums stay in
// registers), followed at once by the gates of that tile. W_hh is repacked to the order in which the tiles read it:
//   forward    [block of units][k][vector of the block][gate][lane]       k: units of the state
//   backward   [block of units][gate][j][vector of the block][lane]       j: rows of W_hh, H of each gate
// In bfloat16 (words.h) k and j count pairs. What enters a product is rounded once, by whoever makes it: the state of
// each token and the gradients of a step's gates have rounded copies beside those in float32.
#include "recurrence.h"

#include <algorithm>
#include <vector>

#include "cells.h"
#include "threads.h"
#include "tile.h"
#include "vectors.h"

namespace {

// -------------------------------------------------------------------------------------------------------- packing

template <class Cell, class Word>
void pack_forward(const RecurraTask& task, Index first_vector, Index vectors) {
  const Index units = task.units, length = words<Word>(units), line = vectors * Cell::GATES * WIDTH;
  Word* panel = reinterpret_cast<Word*>(task.panels) + first_vector * Cell::GATES * WIDTH * length;
  std::vector<Word> room(length);
  for (Index v = 0; v < vectors; ++v)
    for (Index gate = 0; gate < Cell::GATES; ++gate)
      for (Index lane = 0; lane < WIDTH; ++lane) {
        const Index unit = (first_vector + v) * WIDTH + lane;
        const Word* from = unit < units ? along(task.weight + (gate * units + unit) * units, units, room.data()) : nullptr;
        Word* to = panel + (v * Cell::GATES + gate) * WIDTH + lane;
        for (Index k = 0; k < length; ++k) to[k * line] = from ? from[k] : Word{};
      }
}

template <class Cell, class Word>
void pack_backward(const RecurraTask& task, Index first_vector, Index vectors) {
  const Index units = task.units, length = words<Word>(units), line = vectors * WIDTH;
  Word* panel = reinterpret_cast<Word*>(task.panels) + first_vector * WIDTH * Cell::GATES * length;
  const Index count = std::min(line, units - first_vector * WIDTH);
  Word room[MAX_COLUMNS * WIDTH];
  for (Index gate = 0; gate < Cell::GATES; ++gate)
    for (Index j = 0; j < units; j += PER_WORD<Word>, panel += line) {
      const float* from = task.weight + (gate * units + j) * units + first_vector * WIDTH;
      std::memcpy(panel, across(from, units, count, units - j, room), sizeof(Word) * count);
      std::fill(panel + count, panel + line, Word{});
    }
}

// ------------------------------------------------------------------------------------------------------- the steps

template <class Cell>
Place place(const RecurraTask& task, const Step& step, Index row, Index unit) {
  const Index units = task.units, token = step.begin + row;
  return {task,
          step,
          row,
          unit,
          row * units + unit,
          token * units + unit,
          token * units * Cell::GATES + unit,
          token * task.grad_stride + unit,
          units - unit};
}

// What enters the product of the next step: the state of each token, and the initial one.
template <class Word>
Word* fed(const RecurraTask& task) {
  if constexpr (ROUNDED<Word>) return static_cast<Word*>(task.fed);
  else return task.output;
}

template <class Word>
auto first_fed(const RecurraTask& task) {
  if constexpr (ROUNDED<Word>) return static_cast<Word*>(task.first_fed);
  else return task.first_h;
}

// What enters the product of a step back: the gradients of the gates of a row. The rounded ones lie in two places in
// turn: a thread may be at the gates of a step while another is still at the product of the step after it.
template <class Cell, class Word>
Word* slopes(const RecurraTask& task, const Step& step, Index row) {
  const Index length = Cell::GATES * words<Word>(task.units);
  if constexpr (ROUNDED<Word>) return static_cast<Word*>(task.fed) + (step.number % 2 * task.batch + row) * length;
  else return task.from_state + (step.begin + row) * length;
}

// What one thread does: the sequences row, row + stride, ... and a range of blocks of units.
struct Share {
  Index row, stride, first_block, last_block;

  Index rows(Index running) const { return row < running ? (running - row + stride - 1) / stride : 0; }
};

template <class Cell, class Word>
void forward_step(const RecurraTask& task, const Step& step, const Share& share, const Blocks& blocks) {
  const Index length = words<Word>(task.units);
  for (Index block = share.first_block; block < share.last_block; ++block) {
    const Index first_vector = blocks.begin(block), vectors = blocks.size(block), columns = vectors * Cell::GATES;
    const Word* panel = reinterpret_cast<Word*>(task.panels) + first_vector * Cell::GATES * WIDTH * length;
    for_tiles(share.rows(step.running), tile_rows(columns), [&](Index first, Index count) {
      const Word* before[MAX_ROWS] = {};
      for (Index i = 0; i < count; ++i)
        before[i] = step.before(fed<Word>(task), first_fed<Word>(task), share.row + (first + i) * share.stride, length);
      Vector sums[MAX_ROWS * MAX_COLUMNS];
      find_product<Word>(count, columns)(before, 1, panel, length, sums);
      for (Index i = 0; i < count; ++i) {
        const Index row = share.row + (first + i) * share.stride;
        for (Index v = 0; v < vectors; ++v) {
          const Place at = place<Cell>(task, step, row, (first_vector + v) * WIDTH);
          const Vector h = Cell::forward(at, sums + i * columns + v * Cell::GATES);
          store(task.output + at.token, h, at.count);
          if constexpr (ROUNDED<Word>) store(fed<Word>(task) + (step.begin + row) * length + at.unit / 2, h, at.count);
          if (row >= step.after_running) store(task.last_h + at.state, h, at.count);
        }
      }
    });
  }
}

// The gradients of the gates of a step, from the gradient of its state.
template <class Cell, class Word>
void backward_gates(const RecurraTask& task, const Step& step, const Share& share, const Blocks& blocks) {
  const Index end = std::min(blocks.begin(share.last_block) * WIDTH, task.units);
  for (Index row = share.row; row < step.running; row += share.stride)
    for (Index unit = blocks.begin(share.first_block) * WIDTH; unit < end; unit += WIDTH) {
      const Place at = place<Cell>(task, step, row, unit);
      if (row + share.stride < step.running) place<Cell>(task, step, row + share.stride, unit).prefetch(Cell::GATES);
      store(task.carry_h + at.state, Cell::backward(at), at.count);
      store(task.before + at.token, at.before_h(), at.count);
      if constexpr (ROUNDED<Word>) {
        Word* to = slopes<Cell, Word>(task, step, row) + unit / 2;
        for (Index gate = 0; gate < Cell::GATES; ++gate)
          store(to + gate * words<Word>(task.units), at.from_state(gate), at.count);
      }
    }
}

// The gradient of the state before a step, from the gradients of its gates.
template <class Cell, class Word>
void backward_state(const RecurraTask& task, const Step& step, const Share& share, const Blocks& blocks) {
  const Index units = task.units, length = Cell::GATES * words<Word>(units);
  for (Index block = share.first_block; block < share.last_block; ++block) {
    const Index first_vector = blocks.begin(block), columns = blocks.size(block);
    const Word* panel = reinterpret_cast<Word*>(task.panels) + first_vector * WIDTH * length;
    for_tiles(share.rows(step.running), tile_rows(columns), [&](Index first, Index count) {
      const Word* rows[MAX_ROWS] = {};
      for (Index i = 0; i < count; ++i) rows[i] = slopes<Cell, Word>(task, step, share.row + (first + i) * share.stride);
      Vector sums[MAX_ROWS * MAX_COLUMNS];
      find_product<Word>(count, columns)(rows, 1, panel, length, sums);
      for (Index i = 0; i < count; ++i)
        for (Index c = 0; c < columns; ++c) {
          const Index unit = (first_vector + c) * WIDTH;
          float* carry = task.carry_h + (share.row + (first + i) * share.stride) * units + unit;
          store(carry, load(carry, units - unit) + sums[i * columns + c], units - unit);
        }
    });
  }
}

// -------------------------------------------------------------------------------------------------------- threads

// How the threads share rows and units.
struct Division {
  int row_parts, unit_parts;

  Division(const RecurraTask& task, int gates, Index blocks, int threads) {
    constexpr Index FEW_ROWS = 4;          // a tile of fewer rows waits for the weights, not for the arithmetic
    constexpr Index WORTH_MEETING = 1 << 16;  // multiplications of a thread in a step that outweigh a meeting
    const Index rows = std::max<Index>(1, task.starts[task.steps] / task.steps);  // running at a step, on average
    row_parts = int(std::min<Index>(threads, std::max<Index>(1, rows / FEW_ROWS)));
    unit_parts = int(std::min<Index>(threads / row_parts, blocks));
    if (unit_parts == 1 || rows * gates * task.units * task.units < WORTH_MEETING * row_parts * unit_parts) {
      row_parts = int(std::min<Index>(threads, task.batch));
      unit_parts = 1;
    }
  }
  int members() const { return row_parts * unit_parts; }
};

// What every member of the team runs: packing the weights together, then its share of all the steps.
template <class Cell, class Word>
struct Forward {
  static constexpr int BLOCK = Cell::BLOCK;
  static constexpr auto pack = pack_forward<Cell, Word>;

  // The initial state of some rows, as it enters the product.
  static void prepare(const RecurraTask& task, Index first_row, Index last_row) {
    if constexpr (ROUNDED<Word>)
      for (Index row = first_row; row < last_row; ++row)
        along(task.first_h + row * task.units, task.units, first_fed<Word>(task) + row * words<Word>(task.units));
  }

  static void steps(const RecurraTask& task, const Share& share, const Blocks& blocks, Barrier& barrier, int members) {
    for (Index number = 0; number < task.steps; ++number) {
      forward_step<Cell, Word>(task, Step(task, number), share, blocks);
      barrier.wait(members);
    }
  }
};

template <class Cell, class Word>
struct Backward {
  static constexpr int BLOCK = MAX_COLUMNS;
  static constexpr auto pack = pack_backward<Cell, Word>;

  static void prepare(const RecurraTask&, Index, Index) {}

  static void steps(const RecurraTask& task, const Share& share, const Blocks& blocks, Barrier& barrier, int members) {
    for (Index number = task.steps - 1; number >= 0; --number) {
      const Step step(task, number);
      backward_gates<Cell, Word>(task, step, share, blocks);
      barrier.wait(members);
      backward_state<Cell, Word>(task, step, share, blocks);
    }
  }
};

template <class Cell, class Way>
struct Work {
  const RecurraTask& task;
  Blocks blocks;
  Barrier barrier;

  explicit Work(const RecurraTask& task) : task(task), blocks(task.units, Way::BLOCK) {}

  void run(int number, int threads) {
    const Division division(task, Cell::GATES, blocks.count, threads);
    const int members = division.members();
    if (number >= members) return;
    for (Index block = blocks.count * number / members; block < blocks.count * (number + 1) / members; ++block)
      Way::pack(task, blocks.begin(block), blocks.size(block));
    Way::prepare(task, task.batch * number / members, task.batch * (number + 1) / members);
    barrier.wait(members);
    const int part = number / division.row_parts;
    const Share share{number % division.row_parts, division.row_parts, blocks.count * part / division.unit_parts,
                      blocks.count * (part + 1) / division.unit_parts};
    Way::steps(task, share, blocks, barrier, division.unit_parts > 1 ? members : 1);
  }
};

template <class Cell, class Way>
void run(const RecurraTask& task) {
  Work<Cell, Way> work(task);
  run_on(task.team, task.threads, work);
}

template <template <class, class> class Way, class Word>
void run(const RecurraTask& task) {
  switch (task.cell) {
    case 0: return run<Rnn<false>, Way<Rnn<false>, Word>>(task);
    case 1: return run<Rnn<true>, Way<Rnn<true>, Word>>(task);
    case 2: return run<Lstm, Way<Lstm, Word>>(task);
    case 3: return run<Gru, Way<Gru, Word>>(task);
  }
}

template <template <class, class> class Way>
void run(const RecurraTask& task) {
#if RECURRA_BFLOAT16
  if (task.bfloat16) return run<Way, Pair>(task);
#endif
  run<Way, float>(task);
}

}  // namespace

EXPORT std::int64_t recurra_panel_size(std::int64_t units, std::int32_t gates) {
  return (units + WIDTH - 1) / WIDTH * WIDTH * gates * units;
}

EXPORT void recurra_forward(const RecurraTask* task) { run<Forward>(*task); }

EXPORT void recurra_backward(const RecurraTask* task) { run<Backward>(*task); }

EXPORT std::int64_t recurra_interface() { return sizeof(RecurraTask) * 1000 + sizeof(RecurraProduct); }

EXPORT std::int32_t recurra_bfloat16() { return RECURRA_BFLOAT16; }

EXPORT const char* recurra_best_variant() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
  if (avx512 && __builtin_cpu_supports("avx512bf16")) return "avx512bf16";
  if (avx512) return "avx512";
  if (avx2) return "avx2";
#endif
  return "plain";
}
