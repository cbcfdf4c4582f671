// One time step through all the layers, for as few sequences as one: what takes time is reading the weights.
//
// They are packed once, in the order in which they are read, for each layer and block of units (`columns`: its vectors of
// units times gates):
//   [what the input is weighted with | the state][columns][lane]      b_ih, b_hh, then the scales of the rows of W_ih, W_hh
//   [k][columns][lane]                                                words of W_ih (formats.h), then of W_hh
// Threads share the units, and meet after each layer.
#include "stream.h"

#include <vector>

#include "cells.h"
#include "formats.h"
#include "threads.h"
#include "tile.h"
#include "vectors.h"

namespace {

constexpr int HEAD = 4;  // lines of a block before its words: b_ih, b_hh, scales of W_ih, scales of W_hh

constexpr Index words(Index weights, int in_a_word) { return (weights + in_a_word - 1) / in_a_word; }

INLINE Integers load_words(const std::int32_t* from) {
  Integers x;
  std::memcpy(&x, from, sizeof x);
  return x;
}

INLINE Vector to_floats(Vector sum) { return sum; }
INLINE Vector to_floats(Integers sum) { return __builtin_convertvector(sum, Vector); }

// ------------------------------------------------------------------------------------------------------- the panels

// Where the parts of a layer's panels lie.
template <class Cell, class Format>
struct Panels {
  Index width, units;
  Blocks blocks;
  std::int32_t* begin;

  Panels(const RecurraStack& stack, Index layer)
      : width(layer ? stack.units : stack.width), units(stack.units), blocks(units, Cell::BLOCK), begin(stack.panels) {
    for (Index below = 0; below < layer; ++below) begin += Panels(stack, below).size();
  }

  Index lines() const { return HEAD + words(width, Format::WEIGHTS) + words(units, Format::WEIGHTS); }
  Index size() const { return lines() * blocks.vectors * Cell::GATES * WIDTH; }
  std::int32_t* block(Index number) const { return begin + lines() * blocks.begin(number) * Cell::GATES * WIDTH; }

  void pack(const RecurraParameters& from) const {
    for (Index number = 0; number < blocks.count; ++number) {
      const Index line = blocks.size(number) * Cell::GATES * WIDTH;
      std::fill(block(number), block(number) + lines() * line, 0);
      for (Index column = 0; column < line; ++column) {
        const Index vector = blocks.begin(number) + column / (Cell::GATES * WIDTH);
        const Index unit = vector * WIDTH + column % WIDTH, gate = column / WIDTH % Cell::GATES;
        if (unit < units) pack_row(from, gate * units + unit, block(number) + column, line);
      }
    }
  }

 private:
  // What belongs to one gate of one unit.
  void pack_row(const RecurraParameters& from, Index row, std::int32_t* to, Index line) const {
    std::int32_t *input = to + HEAD * line, *state = input + words(width, Format::WEIGHTS) * line;
    const float head[HEAD] = {from.bias_ih ? from.bias_ih[row] : 0.0f, from.bias_hh ? from.bias_hh[row] : 0.0f,
                              Format::pack(from.weight_ih + row * width, width, input, line),
                              Format::pack(from.weight_hh + row * units, units, state, line)};
    for (int i = 0; i < HEAD; ++i) std::memcpy(to + i * line, head + i, sizeof(float));
  }
};

// ------------------------------------------------------------------------------------------------------ the product

// Rows of inputs as a format takes them.
template <class Format>
class Inputs {
 public:
  Inputs(Index rows, Index most) : values_(rows * inputs(most)), scales_(rows) {}

  void prepare(const float* from, Index rows, Index count) {
    stride_ = inputs(count);
    for (Index row = 0; row < rows; ++row)
      scales_[row] = Format::prepare(from + row * count, count, values_.data() + row * stride_);
  }
  const typename Format::Input* row(Index number) const { return values_.data() + number * stride_; }
  float scale(Index number) const { return scales_[number]; }

 private:
  static Index inputs(Index count) { return words(count, Format::WEIGHTS) * Format::PARTS; }

  std::vector<typename Format::Input> values_;
  std::vector<float> scales_;
  Index stride_ = 0;
};

// out[r][c] = bias[c] + scale[c] * sum over k of rows[r][k] * panel[k][c], in the order of k whatever the tile.
template <class Format, int ROWS, int COLUMNS>
void product(const Inputs<Format>& inputs, Index first, const std::int32_t* panel, Index length, const float* bias,
             const float* scale, Vector* out) {
  typename Format::Sum sum[ROWS][COLUMNS] = {};
  const typename Format::Input* x[ROWS];
  each<ROWS>([&](auto r) { x[r] = inputs.row(first + r); });
  for (Index k = 0; k < length * Format::PARTS; k += Format::PARTS, panel += COLUMNS * WIDTH) {
    Integers w[COLUMNS];
    each<COLUMNS>([&](auto c) { w[c] = load_words(panel + c * WIDTH); });
    each<Format::PARTS>([&](auto part) {
      each<COLUMNS>([&](auto c) {
        const auto weight = Format::weight(w[c], part);
        each<ROWS>([&](auto r) { sum[r][c] = Format::add(sum[r][c], weight, x[r][k + part]); });
      });
    });
  }
  each<ROWS>([&](auto r) {
    each<COLUMNS>([&](auto c) {
      const Vector factor = load(scale + c * WIDTH) * inputs.scale(first + r);
      out[r * COLUMNS + c] = to_floats(sum[r][c]) * factor + load(bias + c * WIDTH);
    });
  });
}

template <class Format>
using StepProduct = void (*)(const Inputs<Format>&, Index, const std::int32_t*, Index, const float*, const float*, Vector*);

// Few rows are what a step is for, so that tiles need not be as high as for whole sequences.
constexpr int step_rows(Index columns) { return std::min(4, tile_rows(columns)); }

template <class Format, int COLUMNS, int ROWS = 1>
StepProduct<Format> find_step_product(Index rows) {
  if constexpr (ROWS < step_rows(COLUMNS)) {
    if (rows > ROWS) return find_step_product<Format, COLUMNS, ROWS + 1>(rows);
  }
  return product<Format, ROWS, COLUMNS>;
}

template <class Cell, class Format>
StepProduct<Format> find_step_product(Index rows, Index vectors) {
  if constexpr (Cell::BLOCK > 1) {
    if (vectors == 1) return find_step_product<Format, Cell::GATES>(rows);
    if (vectors == 2) return find_step_product<Format, 2 * Cell::GATES>(rows);
    if (vectors == 3) return find_step_product<Format, 3 * Cell::GATES>(rows);
  }
  return find_step_product<Format, Cell::BLOCK * Cell::GATES>(rows);
}

// --------------------------------------------------------------------------------------------------------- the step

// One vector of units of one sequence, with what the input gives to its gates still in registers.
struct StepPlace : Place {
  const Vector* from_input;

  INLINE StepPlace(const RecurraTask& task, const Step& step, Index row, Index unit, Index place, const Vector* from_input)
      : Place{task, step, row, unit, task.units, place, place, 0, 0, task.units - unit}, from_input(from_input) {}

  INLINE Vector gate(int number) const { return from_input[number]; }
};

struct StepCall {
  Index batch;
  int threads;
  const float *x, *h, *c;
  float *next_h, *next_c, *output;
};

// Every other step takes the blocks in the other direction: what the step before read last is still in the second-level
// cache, where a loop in one direction would have pushed out each panel just before it comes round.
template <class Cell, class Format>
struct StepWork {
  const RecurraStack& stack;
  const StepCall& call;
  bool backwards;
  Barrier barrier;

  void run(int number, int members) {
    const Index state = call.batch * stack.units;
    Inputs<Format> x(call.batch, std::max(stack.width, stack.units)), h(call.batch, stack.units);
    for (Index layer = 0; layer < stack.layers; ++layer) {
      const Panels<Cell, Format> panels(stack, layer);
      x.prepare(layer ? call.next_h + (layer - 1) * state : call.x, call.batch, panels.width);
      h.prepare(call.h + layer * state, call.batch, stack.units);
      const Index first = panels.blocks.count * number / members, last = panels.blocks.count * (number + 1) / members;
      for (Index block = first; block < last; ++block)
        step_block(panels, layer, backwards ? first + last - 1 - block : block, x, h);
      if (layer + 1 < stack.layers) barrier.wait(members);
    }
  }

 private:
  void step_block(const Panels<Cell, Format>& panels, Index layer, Index block, const Inputs<Format>& x,
                  const Inputs<Format>& h) {
    const Index vectors = panels.blocks.size(block), columns = vectors * Cell::GATES, line = columns * WIDTH;
    const std::int32_t* panel = panels.block(block);
    const float* head = reinterpret_cast<const float*>(panel);
    const Index input_words = words(panels.width, Format::WEIGHTS), state_words = words(stack.units, Format::WEIGHTS);
    for_tiles(call.batch, step_rows(columns), [&](Index first, Index count) {
      Vector from_input[MAX_ROWS * MAX_COLUMNS], from_state[MAX_ROWS * MAX_COLUMNS];
      const auto product = find_step_product<Cell, Format>(count, vectors);
      const std::int32_t* body = panel + HEAD * line;
      product(x, first, body, input_words, head, head + 2 * line, from_input);
      product(h, first, body + input_words * line, state_words, head + line, head + 3 * line, from_state);
      for (Index i = 0; i < count; ++i)
        for (Index v = 0; v < vectors; ++v) {
          const Index at = i * columns + v * Cell::GATES;
          cell(layer, first + i, (panels.blocks.begin(block) + v) * WIDTH, from_input + at, from_state + at);
        }
    });
  }

  // The equations of cells.h, which are written for a batch of sequences: here they have one step each.
  void cell(Index layer, Index row, Index unit, const Vector* from_input, const Vector* from_state) {
    const Index units = stack.units, place = row * units + unit, offset = layer * call.batch * units, count = units - unit;
    const Index starts[] = {0, call.batch};
    RecurraTask task{};
    task.steps = 1, task.batch = call.batch, task.units = task.size = units, task.starts = starts;
    task.first_h = call.h + offset;
    if (call.c) {
      task.last_c = call.next_c + offset;
      store(task.last_c + place, load(call.c + offset + place, count), count);
    }
    const Step step(task, 0);
    const StepPlace at(task, step, row, unit, place, from_input);
    const Vector h = Cell::forward(at, from_state);
    store(call.next_h + offset + place, h, count);
    if (layer + 1 == stack.layers) store(call.output + place, h, count);
  }
};

// ------------------------------------------------------------------------------------------------------- the choice

// Calls body with the cell and the format of a stack.
template <class Cell, class Body>
void with_format(const RecurraStack& stack, Body body) {
  switch (stack.precision) {
    case 0: return body(Cell{}, Float32{});
    case 1: return body(Cell{}, Bfloat16{});
    case 2: return body(Cell{}, Int8{});
  }
}

template <class Body>
void with_types(const RecurraStack& stack, Body body) {
  switch (stack.cell) {
    case 0: return with_format<Rnn<false, false>>(stack, body);
    case 1: return with_format<Rnn<true, false>>(stack, body);
    case 2: return with_format<Lstm<false, false>>(stack, body);
    case 3: return with_format<Gru<false>>(stack, body);
  }
}

// Threads that are worth their meetings.
template <class Cell, class Format>
int members(const RecurraStack& stack, const StepCall& call) {
  constexpr Index WORTH_MEETING = 1 << 16;  // words of a layer for each thread, for each row
  const Panels<Cell, Format> last(stack, stack.layers - 1);
  const Index most = last.size() * call.batch / WORTH_MEETING;
  return int(std::max<Index>(1, std::min<Index>({call.threads, last.blocks.count, most})));
}

}  // namespace

EXPORT std::int64_t recurra_stack_size(const RecurraStack* stack) {
  std::int64_t size = 0;
  with_types(*stack, [&](auto cell, auto format) {
    const Panels<decltype(cell), decltype(format)> end(*stack, stack->layers);
    size = end.begin - stack->panels;
  });
  return size;
}

EXPORT void recurra_pack_layer(const RecurraStack* stack, std::int64_t layer, const RecurraParameters* parameters) {
  with_types(*stack, [&](auto cell, auto format) {
    Panels<decltype(cell), decltype(format)>(*stack, layer).pack(*parameters);
  });
}

EXPORT void recurra_step(RecurraStack* stack, std::int64_t batch, std::int32_t threads, const float* x, const float* h,
                         const float* c, float* next_h, float* next_c, float* output) {
  const StepCall call{batch, threads, x, h, c, next_h, next_c, output};
  const bool backwards = __atomic_fetch_xor(&stack->turn, 1, __ATOMIC_RELAXED);  // several threads may step at once
  with_types(*stack, [&](auto cell, auto format) {
    using Cell = decltype(cell);
    using Format = decltype(format);
    StepWork<Cell, Format> work{*stack, call, backwards, {}};
    run_on(stack->team, members<Cell, Format>(*stack, call), work);
  });
}
