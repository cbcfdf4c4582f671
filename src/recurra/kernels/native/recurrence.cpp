// The loop over time of a recurrent layer, forward and backward.
//
// The rows of a batch do not depend on one another, so each thread takes every n-th sequence through all the steps and
// no thread waits for another. Where there are too few sequences for that, threads share the hidden units of a row as
// well and meet after each step.
//
// A step is a product of the state with W_hh, tile by tile (a few rows times a few vectors of columns, whose sums stay in
// registers), followed at once by the gates of that tile. W_hh is repacked to the order in which the tiles read it:
//   forward    [block of units][k][vector of the block][gate][lane]       k: of the state, S
//   backward   [block of h][gate][j][vector of the block][lane]           j: rows of W_hh, H of each gate
// With a projection the product of the hidden units with it follows in each step, and is repacked likewise.
// In bfloat16 (words.h) k and j count pairs. What enters a product is rounded once, by whoever makes it: the state of
// each token and the gradients of a step's gates have rounded copies beside those in float32.
#include "recurrence.h"

#include <algorithm>
#include <vector>

#include "steps.h"
#include "stream.h"
#include "threads.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace {

// -------------------------------------------------------------------------------------------------------- packing

// A matrix [gates * rows, columns] in panels for the way forward: x is multiplied by its columns.
template <class Word>
void pack_forward(const float* matrix, float* panels, Index gates, Index rows, Index columns, Index first_vector,
                  Index vectors) {
  const Index length = words<Word>(columns), line = vectors * gates * WIDTH;
  Word* panel = as_words<Word>(panels) + first_vector * gates * WIDTH * length;
  std::vector<Word> room(length);
  for (Index v = 0; v < vectors; ++v)
    for (Index gate = 0; gate < gates; ++gate)
      for (Index lane = 0; lane < WIDTH; ++lane) {
        const Index unit = (first_vector + v) * WIDTH + lane;
        const Word* from = unit < rows ? along(matrix + (gate * rows + unit) * columns, columns, room.data()) : nullptr;
        Word* to = panel + (v * gates + gate) * WIDTH + lane;
        for (Index k = 0; k < length; ++k) to[k * line] = from ? from[k] : Word{};
      }
}

// A matrix [gates * rows, columns] in panels for the way back: a gradient is multiplied by its rows.
template <class Word>
void pack_backward(const float* matrix, float* panels, Index gates, Index rows, Index columns, Index first_vector,
                   Index vectors) {
  const Index line = vectors * WIDTH, count = std::min(line, columns - first_vector * WIDTH);
  Word* panel = as_words<Word>(panels) + first_vector * WIDTH * gates * words<Word>(rows);
  Word room[MAX_COLUMNS * WIDTH];
  for (Index gate = 0; gate < gates; ++gate)
    for (Index j = 0; j < rows; j += PER_WORD<Word>, panel += line) {
      const float* from = matrix + (gate * rows + j) * columns + first_vector * WIDTH;
      std::memcpy(panel, across(from, columns, count, rows - j, room), sizeof(Word) * count);
      std::fill(panel + count, panel + line, Word{});
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
    if (unit_parts == 1 || rows * gates * task.units * task.size < WORTH_MEETING * row_parts * unit_parts) {
      row_parts = int(std::min<Index>(threads, task.batch));
      unit_parts = 1;
    }
  }
  int members() const { return row_parts * unit_parts; }
};

// Each way:  how wide its blocks of units are.
// prepare    what every member of the team does first: its part of packing the weights.
// steps      and then its share of all the steps.
template <class Cell>
struct Forward {
  using Word = typename Cell::Word;
  static constexpr int BLOCK = Cell::BLOCK;

  static void prepare(const RecurraTask& task, const Share& part) {
    const Blocks &units = part.unit_blocks, &h = part.h_blocks;
    for (Index block = part.units.first; block < part.units.last; ++block)
      pack_forward<Word>(task.weight, task.panels, Cell::GATES, task.units, task.size, units.begin(block), units.size(block));
    if constexpr (Cell::PROJECTED)
      for (Index block = part.h.first; block < part.h.last; ++block)
        pack_forward<Word>(task.project, task.project_panels, 1, task.size, task.units, h.begin(block), h.size(block));
    const bool is_masked = Cell::NOISY && task.mask;
    if (!is_masked && !ROUNDED<Word>) return;
    for (Index row = part.row; row < task.batch; row += part.stride)
      for (Index unit = 0; unit < task.size; unit += WIDTH) {
        const Index at = row * task.size + unit, count = task.size - unit;
        const Vector h = load(task.first_h + at, count);
        store_operand<Word>(task.first_fed, row, task.size, unit, is_masked ? h * load(task.mask + at, count) : h);
      }
  }

  static void steps(const RecurraTask& task, const Share& share, Barrier& barrier, int members) {
    for (Index number = 0; number < task.steps; ++number) {
      const Step step(task, number);
      forward_step<Cell>(task, step, share);
      barrier.wait(members);
      if constexpr (Cell::PROJECTED) {
        forward_projection<Cell>(task, step, share);
        barrier.wait(members);
      }
    }
  }
};

template <class Cell>
struct Backward {
  using Word = typename Cell::Word;
  static constexpr int BLOCK = MAX_COLUMNS;

  static void prepare(const RecurraTask& task, const Share& part) {
    const Blocks &units = part.unit_blocks, &h = part.h_blocks;
    for (Index block = part.h.first; block < part.h.last; ++block)
      pack_backward<Word>(task.weight, task.panels, Cell::GATES, task.units, task.size, h.begin(block), h.size(block));
    if constexpr (Cell::PROJECTED)
      for (Index block = part.units.first; block < part.units.last; ++block)
        pack_backward<Word>(task.project, task.project_panels, 1, task.size, task.units, units.begin(block), units.size(block));
  }

  static void steps(const RecurraTask& task, const Share& share, Barrier& barrier, int members) {
    for (Index number = task.steps - 1; number >= 0; --number) {
      const Step step(task, number);
      if constexpr (Cell::PROJECTED) {
        backward_projection<Cell>(task, step, share);
        barrier.wait(members);
        backward_hidden<Cell>(task, step, share);
      } else {
        backward_gates<Cell>(task, step, share);
      }
      barrier.wait(members);
      backward_state<Cell>(task, step, share);
    }
  }
};

template <class Cell, template <class> class Way>
struct Work {
  const RecurraTask& task;
  Blocks unit_blocks, h_blocks;
  Barrier barrier;

  explicit Work(const RecurraTask& task)
      : task(task), unit_blocks(task.units, Way<Cell>::BLOCK), h_blocks(task.size, MAX_COLUMNS) {}

  // The rows of one part, and the blocks of one part.
  Share share(Index row_part, Index row_parts, Index part, Index parts) const {
    return {row_part, row_parts, unit_blocks, h_blocks, Range(unit_blocks, part, parts), Range(h_blocks, part, parts)};
  }

  void run(int number, int threads) {
    const Division division(task, Cell::GATES, unit_blocks.count, threads);
    const int members = division.members(), row_parts = division.row_parts, unit_parts = division.unit_parts;
    if (number >= members) return;
    Way<Cell>::prepare(task, share(number, members, number, members));
    barrier.wait(members);
    const Share mine = share(number % row_parts, row_parts, number / row_parts, unit_parts);
    Way<Cell>::steps(task, mine, barrier, unit_parts > 1 ? members : 1);
  }
};

template <class Cell, template <class> class Way>
void run(const RecurraTask& task) {
  Work<Cell, Way> work(task);
  run_on(task.team, task.threads, work);
}

// A cell, and the words that its products are made of.
template <class Cell, class Operand>
struct In : Cell {
  using Word = Operand;
};

template <template <class> class Way, class Word, bool NOISY>
void run(const RecurraTask& task) {
  switch (task.cell) {
    case 0: return run<In<Rnn<false, NOISY>, Word>, Way>(task);
    case 1: return run<In<Rnn<true, NOISY>, Word>, Way>(task);
    case 2:
      return task.project ? run<In<Lstm<true, true>, Word>, Way>(task) : run<In<Lstm<NOISY, false>, Word>, Way>(task);
    case 3: return run<In<Gru<NOISY>, Word>, Way>(task);
  }
}

template <template <class> class Way, class Word>
void run_in(const RecurraTask& task) {
  task.mask || task.zoneout_h || task.zoneout_c ? run<Way, Word, true>(task) : run<Way, Word, false>(task);
}

template <template <class> class Way>
void run(const RecurraTask& task) {
#if RECURRA_BFLOAT16
  if (task.bfloat16) return run_in<Way, Pair>(task);
#endif
  run_in<Way, float>(task);
}

#if defined(__x86_64__)
// Asked of the processor itself: compilers before GCC 11 refuse the name, and with it every variant.
bool has_avx512bf16() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) && (eax >> 5 & 1);
}
#endif

}  // namespace

EXPORT std::int64_t recurra_panel_size(std::int64_t rows, std::int64_t columns, std::int32_t gates) {
  const auto rounded = [](Index count) { return (count + WIDTH - 1) / WIDTH * WIDTH; };
  return gates * std::max(rounded(rows) * columns, rows * rounded(columns));
}

EXPORT void recurra_forward(const RecurraTask* task) { run<Forward>(*task); }

EXPORT void recurra_backward(const RecurraTask* task) { run<Backward>(*task); }

EXPORT std::int64_t recurra_interface() {
  return (sizeof(RecurraTask) * 1000 + sizeof(RecurraProduct)) * 1000 + sizeof(RecurraStack);
}

EXPORT std::int32_t recurra_bfloat16() { return RECURRA_BFLOAT16; }

EXPORT const char* recurra_best_variant() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
  if (avx512 && has_avx512bf16()) return "avx512bf16";
  if (avx512) return "avx512";
  if (avx2) return "avx2";
#endif
  return "plain";
}
