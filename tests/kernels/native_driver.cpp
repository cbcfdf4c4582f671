// Runs the native loops and products over odd sizes, on buffers of exactly the size they need, for the sanitizers.
// Exits with 1 when several threads give other results than one.
#include <cstdio>
#include <random>
#include <thread>
#include <vector>

#include "recurrence.h"

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
  int cell, reverse, threads, bfloat16;
  std::int64_t units;
  std::vector<std::int64_t> running;
};

constexpr int GATES[] = {1, 1, 4, 3};

// All that a case computes, one after the other.
Floats results(const Case& at, const Floats& weight, const Floats& sums, const Floats& state, const Floats& grads) {
  const std::int64_t gates = GATES[at.cell], units = at.units, batch = at.running[0] + 1, steps = at.running.size();
  std::vector<std::int64_t> starts{0};
  for (auto count : at.running) starts.push_back(starts.back() + count);
  const std::int64_t tokens = starts.back();
  Floats panels(recurra_panel_size(units, gates)), kept(sums), unkept(sums), extra(tokens * units), output(tokens * units);
  Floats h(state), c(state), carry_h(state), carry_c(state), from_input(tokens * gates * units);
  Floats from_state(at.cell == 3 ? from_input.size() : 0), before(tokens * units), bias(units, 0.1f);
  const std::int64_t pairs = at.bfloat16 ? (units + 1) / 2 : 0;
  Floats fed(tokens * pairs), first_fed(batch * pairs), fed_back(2 * batch * gates * pairs);
  RecurraTask task{};
  task.steps = steps, task.batch = batch, task.units = units, task.starts = starts.data();
  task.cell = at.cell, task.reverse = at.reverse, task.threads = at.threads, task.keep = 0;
  task.bfloat16 = at.bfloat16, task.fed = fed.data(), task.first_fed = first_fed.data();
  task.team = {parallel, number, size};
  task.weight = weight.data(), task.panels = panels.data(), task.bias = bias.data();
  const bool is_lstm = at.cell == 2;  // null is what a cell does not use
  task.first_h = state.data(), task.first_c = is_lstm ? state.data() : nullptr;
  task.last_h = h.data(), task.last_c = is_lstm ? c.data() : nullptr;
  task.gates = unkept.data(), task.output = gates == 1 ? unkept.data() : output.data();
  recurra_forward(&task);
  Floats inferred = task.output == output.data() ? output : unkept;
  h = c = state;
  task.keep = 1;
  task.gates = kept.data(), task.output = gates == 1 ? kept.data() : output.data();
  task.extra = gates == 1 ? nullptr : extra.data();
  recurra_forward(&task);
  task.grad = grads.data(), task.grad_stride = units, task.carry_h = carry_h.data(), task.carry_c = is_lstm ? carry_c.data() : nullptr;
  task.from_input = from_input.data(), task.from_state = at.cell == 3 ? from_state.data() : from_input.data();
  task.before = before.data(), task.fed = fed_back.data();
  recurra_backward(&task);
  Floats all;
  for (const Floats* part : {&inferred, &kept, &output, &h, &c, &from_input, &from_state, &before, &carry_h, &carry_c})
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

}  // namespace

int main() {
  int wrong = 0;
  for (int cell = 0; cell < 4; ++cell)
    for (int reverse = 0; reverse < 2; ++reverse)
      for (std::int64_t units : {1, 5, 16, 17, 67, 250})
        for (const auto& running : {std::vector<std::int64_t>{1}, {1, 1, 1}, {13, 13, 7, 2, 1}, {5, 3}}) {
          const std::int64_t gates = GATES[cell];
          std::int64_t tokens = 0;
          for (auto count : running) tokens += count;
          const Floats weight = drawn(gates * units * units), sums = drawn(tokens * gates * units);
          const Floats state = drawn((running[0] + 1) * units), grads = drawn(tokens * units);
          for (int bfloat16 = 0; bfloat16 <= recurra_bfloat16(); ++bfloat16) {
            const Floats one = results({cell, reverse, 1, bfloat16, units, running}, weight, sums, state, grads);
            for (int threads : {2, 3, 7})
              wrong += one != results({cell, reverse, threads, bfloat16, units, running}, weight, sums, state, grads);
          }
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
