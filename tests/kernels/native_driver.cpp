// Runs the native loops and products over odd sizes, on buffers of exactly the size they need, for the sanitizers.
// Exits with 1 when several threads give other results than one.
#include <cstdio>
#include <random>
#include <thread>
#include <vector>

#include "recurrence.h"
#include "stream.h"

namespace {

using Floats = std::vector<float>;

thread_local int my_number = 0, my_size = 1;
int number() { return my_number; }
int size() { return my_size; }

void parallel(void (*body)(void*), void* data, unsigned threads, unsigned) {
  std::vector<std::thread> team;
  for (unsigned n = 0; n < threads; ++n)
    team.emplace_back([=] {
      my_number = int(n), my_size = int(threads);
      body(data);
    });
  for (auto& member : team) member.join();
}

std::mt19937 generator(1);

Floats drawn(std::int64_t count) {
  std::uniform_real_distribution<float> any(-0.5f, 0.5f);
  Floats values(count);
  for (float& value : values) value = any(generator);
  return values;
}

struct Case {
  int cell, reverse;
  std::int64_t units, size;  // size: of h; another than units with a projection
  bool noisy;
  std::vector<std::int64_t> running;

  bool is_projected() const { return size != units; }
};

constexpr int GATES[] = {1, 1, 4, 3};

// What a case reads.
struct Given {
  std::int64_t gates, batch, tokens;
  Floats weight, project, sums, h, c, grads, mask, zoneout_h, zoneout_c;

  explicit Given(const Case& at) : gates(GATES[at.cell]), batch(at.running[0] + 1), tokens(0) {
    for (auto count : at.running) tokens += count;
    weight = drawn(gates * at.units * at.size), sums = drawn(tokens * gates * at.units), grads = drawn(tokens * at.size);
    h = drawn(batch * at.size), c = drawn(batch * at.units), project = drawn(at.is_projected() ? at.size * at.units : 0);
    mask = drawn(at.noisy ? batch * at.size : 0), zoneout_h = drawn(at.noisy ? tokens * at.size : 0);
    zoneout_c = drawn(at.noisy && at.cell == 2 ? at.units : 0);  // one row for all tokens
  }
};

const float* or_null(const Floats& values) { return values.empty() ? nullptr : values.data(); }
float* or_null(Floats& values) { return values.empty() ? nullptr : values.data(); }

// All that a case computes, one after the other.
Floats results(const Case& at, const Given& given, int threads, int bfloat16) {
  const std::int64_t units = at.units, size = at.size, tokens = given.tokens, batch = given.batch;
  const bool is_lstm = at.cell == 2, in_place = given.gates == 1 && !at.noisy;  // null is what a cell does not use
  std::vector<std::int64_t> starts{0};
  for (auto count : at.running) starts.push_back(starts.back() + count);
  Floats panels(recurra_panel_size(units, size, given.gates)), kept(given.sums), unkept(given.sums);
  Floats project_panels(at.is_projected() ? recurra_panel_size(size, units, 1) : 0), hidden(at.is_projected() ? batch * units : 0);
  Floats extra(given.gates > 1 ? tokens * units : 0), output(in_place ? 0 : tokens * size), bias(units, 0.1f);
  Floats h(given.h), c(given.c), carry_h(given.h), carry_c(given.c), from_input(tokens * given.gates * units);
  const std::int64_t pairs = (size + 1) / 2, room = bfloat16 ? pairs : at.noisy ? size : 0;
  Floats fed(tokens * room), first_fed(batch * room), first_h(given.h);
  Floats fed_back(bfloat16 ? 2 * batch * given.gates * ((units + 1) / 2) : 0), first_fed_back(bfloat16 ? batch * pairs : 0);
  Floats from_state(at.cell == 3 ? from_input.size() : 0), before(tokens * size), projected(at.is_projected() ? tokens * size : 0);
  RecurraTask task{};
  task.steps = at.running.size(), task.batch = batch, task.units = units, task.size = size, task.starts = starts.data();
  task.cell = at.cell, task.reverse = at.reverse, task.threads = threads, task.keep = 0, task.bfloat16 = bfloat16;
  task.team = {parallel, number, ::size};
  task.weight = given.weight.data(), task.panels = panels.data(), task.bias = bias.data();
  task.project = or_null(given.project), task.project_panels = or_null(project_panels), task.hidden = or_null(hidden);
  task.mask = or_null(given.mask), task.zoneout_h = or_null(given.zoneout_h), task.zoneout_c = or_null(given.zoneout_c);
  task.zoneout_h_stride = size;
  task.first_h = first_h.data(), task.first_c = is_lstm ? given.c.data() : nullptr;
  task.last_h = h.data(), task.last_c = is_lstm ? c.data() : nullptr;
  const auto forward = [&](Floats& gates) {
    task.gates = gates.data(), task.output = in_place ? gates.data() : output.data();
    task.fed = room ? fed.data() : task.output, task.first_fed = room ? first_fed.data() : first_h.data();
    recurra_forward(&task);
  };
  forward(unkept);
  Floats inferred = in_place ? unkept : output;
  h = given.h, c = given.c;
  task.keep = 1, task.extra = or_null(extra);
  forward(kept);
  hidden.resize(at.is_projected() ? tokens * units : 0);
  task.hidden = or_null(hidden), task.projected = or_null(projected);
  task.grad = given.grads.data(), task.grad_stride = size;
  task.carry_h = carry_h.data(), task.carry_c = is_lstm ? carry_c.data() : nullptr;
  task.from_input = from_input.data(), task.from_state = at.cell == 3 ? from_state.data() : from_input.data();
  task.before = before.data(), task.fed = or_null(fed_back), task.first_fed = or_null(first_fed_back);
  recurra_backward(&task);
  Floats all;
  for (const Floats* part : {&inferred, &kept, &output, &h, &c, &from_input, &from_state, &before, &carry_h, &carry_c, &hidden, &projected})
    all.insert(all.end(), part->begin(), part->end());
  return all;
}

Floats multiplied(std::int64_t rows, std::int64_t columns, std::int64_t length, bool a_on_side, bool b_on_side, int threads,
                 int bfloat16) {
  std::mt19937 same(2);
  std::swap(same, generator);
  const Floats a = drawn(rows * length), b = drawn(length * columns), bias = drawn(columns);
  std::swap(same, generator);
  Floats c(rows * columns), scratch(threads * recurra_scratch_size());
  RecurraProduct product{rows, columns, length, a.data(), a_on_side ? 1 : length, a_on_side ? rows : 1,
                         b.data(), b_on_side ? 1 : columns, b_on_side ? length : 1, bias.data(), c.data(),
                         scratch.data(), threads, bfloat16, {parallel, number, size}};
  recurra_multiply(&product);
  return c;
}

// Two steps, one after the other, of several layers.
Floats stepped(int cell, int precision, std::int64_t layers, std::int64_t width, std::int64_t units, std::int64_t batch, int threads) {
  std::mt19937 same(3);
  std::swap(same, generator);
  RecurraStack stack{layers, width, units, cell, precision, nullptr, 0, {parallel, number, size}};
  std::vector<std::int32_t> panels(recurra_stack_size(&stack));
  stack.panels = panels.data();
  for (std::int64_t layer = 0; layer < layers; ++layer) {
    const std::int64_t rows = GATES[cell] * units;
    const Floats weight_ih = drawn(rows * (layer ? units : width)), weight_hh = drawn(rows * units), bias = drawn(rows);
    const RecurraParameters parameters{weight_ih.data(), weight_hh.data(), bias.data(), layer ? nullptr : bias.data()};
    recurra_pack_layer(&stack, layer, &parameters);
  }
  const Floats x = drawn(batch * width), state = drawn(layers * batch * units);
  std::swap(same, generator);
  Floats h(state.size()), c(state.size()), last_h(h), last_c(c), output(batch * units);
  const bool is_lstm = cell == 2;
  const auto step = [&](const Floats& from_h, const Floats& from_c, Floats& to_h, Floats& to_c) {
    recurra_step(&stack, batch, threads, x.data(), from_h.data(), is_lstm ? from_c.data() : nullptr, to_h.data(),
                 is_lstm ? to_c.data() : nullptr, output.data());
  };
  step(state, state, h, c);
  step(h, c, last_h, last_c);
  for (const Floats* part : {&h, &last_h, &last_c}) output.insert(output.end(), part->begin(), part->end());
  return output;
}

int steps_that_differ() {
  int wrong = 0;
  for (int cell = 0; cell < 4; ++cell)
    for (int precision = 0; precision < 3; ++precision)
      for (std::int64_t units : {1, 17, 67, 250})
        for (std::int64_t batch : {1, 3, 11}) {
          const Floats one = stepped(cell, precision, 2, units % 16 + 1, units, batch, 1);
          for (int threads : {2, 3}) wrong += one != stepped(cell, precision, 2, units % 16 + 1, units, batch, threads);
        }
  return wrong;
}

}  // namespace

int main() {
  int wrong = steps_that_differ();
  const auto count_wrong = [&](const Case& at) {
    const Given given(at);
    for (int bfloat16 = 0; bfloat16 <= recurra_bfloat16(); ++bfloat16) {
      const Floats one = results(at, given, 1, bfloat16);
      for (int threads : {2, 3, 7}) wrong += one != results(at, given, threads, bfloat16);
    }
  };
  for (int reverse = 0; reverse < 2; ++reverse)
    for (const auto& running : {std::vector<std::int64_t>{1}, {1, 1, 1}, {13, 13, 7, 2, 1}, {5, 3}})
      for (bool noisy : {false, true}) {
        for (int cell = 0; cell < 4; ++cell)
          for (std::int64_t units : {1, 5, 16, 17, 67, 250}) count_wrong({cell, reverse, units, units, noisy, running});
        for (std::int64_t units : {2, 17, 250})
          for (std::int64_t size : {1, 5, 16, 133}) count_wrong({2, reverse, units, size, noisy, running});
      }
  for (std::int64_t rows : {1, 7, 100, 250})
    for (std::int64_t columns : {1, 33, 300})
      for (std::int64_t length : {1, 19, 260, 517})
        for (int sides = 0; sides < 4; ++sides)
          for (int bfloat16 = 0; bfloat16 <= recurra_bfloat16(); ++bfloat16) {
            const Floats one = multiplied(rows, columns, length, sides & 1, sides & 2, 1, bfloat16);
            for (int threads : {2, 4, 6})
              wrong += one != multiplied(rows, columns, length, sides & 1, sides & 2, threads, bfloat16);
          }
  std::printf("%d cases differ\n", wrong);
  return wrong != 0;
}
