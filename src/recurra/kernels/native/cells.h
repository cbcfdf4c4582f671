// The equations of recurra/kernels/cells.py for one vector of hidden units of one token, forward and backward.
#pragma once

#include "recurrence.h"
#include "vectors.h"

// One step in the order of the direction: its rows, and those of the steps before and after it.
struct Step {
  Index number, begin, running, before_begin, before_running, after_running;

  Step(const RecurraTask& task, Index number) : number(number) {
    const Index t = task.reverse ? task.steps - 1 - number : number, way = task.reverse ? -1 : 1;
    begin = task.starts[t];
    running = count(task, t);
    before_begin = number > 0 ? task.starts[t - way] : 0;
    before_running = number > 0 ? count(task, t - way) : 0;
    after_running = number + 1 < task.steps ? count(task, t + way) : 0;
  }

  // The state of a row before this step: of the step before, or the first one where the sequence begins here.
  template <class Word>
  const Word* before(const Word* history, const Word* first, Index row, Index length) const {
    return row < before_running ? history + (before_begin + row) * length : first + row * length;
  }

 private:
  static Index count(const RecurraTask& task, Index t) { return task.starts[t + 1] - task.starts[t]; }
};

// Where one vector of hidden units of one token lies in each array, or with a projection one vector of its h.
struct Place {
  const RecurraTask& task;
  const Step& step;
  Index row;
  Index unit;      // the first of these hidden units
  Index width;     // H, or S for one vector of h
  Index state;     // offset in [B, width] arrays
  Index token;     // offset in [N, width] arrays
  Index gates;     // offset in [N, G * H] arrays, of the first gate
  Index grad;      // offset in the gradient of the output
  Index count;     // units from here on

  INLINE Vector gate(int number) const { return load(task.gates + gates + number * task.units, count); }
  INLINE void keep_gate(int number, Vector x) const { store(task.gates + gates + number * task.units, x, count); }
  INLINE void from_input(int number, Vector x) const { store(task.from_input + gates + number * task.units, x, count); }
  INLINE void from_state(int number, Vector x) const { store(task.from_state + gates + number * task.units, x, count); }
  INLINE Vector from_state(int number) const { return load(task.from_state + gates + number * task.units, count); }
  INLINE Vector before_h() const { return load(step.before(task.output, task.first_h, row, width) + unit, count); }
  INLINE Vector before_c() const { return load(step.before(task.extra, task.first_c, row, task.units) + unit, count); }
  INLINE Vector gradient() const { return load(task.carry_h + state, count) + load(task.grad + grad, count); }
  // What the backward of these units reads and writes, on its way before it is needed.
  INLINE void prefetch(int number) const {
    for (int gate = 0; gate < number; ++gate) {
      __builtin_prefetch(task.gates + gates + gate * task.units);
      __builtin_prefetch(task.from_input + gates + gate * task.units, 1);
    }
    if (task.extra) __builtin_prefetch(task.extra + token);
    __builtin_prefetch(task.grad + grad);
  }
  INLINE Vector share_h() const { return share(task.zoneout_h, task.zoneout_h_stride); }
  INLINE Vector share_c() const { return share(task.zoneout_c, task.zoneout_c_stride); }

 private:
  INLINE Vector share(const float* zoneout, Index stride) const {
    return load(zoneout + (step.begin + row) * stride + unit, count);
  }
};

// x, of which this share is replaced by what was before.
INLINE Vector zoned(Vector x, Vector before, Vector share) { return share * before + (1.0f - share) * x; }

// Each cell:  GATES, and BLOCK, how many vectors of units stand side by side in a forward tile.
// NOISY       whether there may be a mask or zoneout: the plain cell pays nothing for them. PROJECTED: whether h is.
// forward     takes what the state gives to each gate, returns h before projection and zoneout; At is a Place, or what
//             stands for one in stream.cpp.
// backward    takes the gradient of that, stores the gradients of the gates and returns the part of the gradient of the
//             state before that does not go through W_hh.

template <bool RELU, bool IS_NOISY>
struct Rnn {
  static constexpr int GATES = 1, BLOCK = 4;
  static constexpr bool NOISY = IS_NOISY, PROJECTED = false;

  template <class At>
  static INLINE Vector forward(const At& at, const Vector* from_state) {
    Vector x = at.gate(0) + from_state[0];
    Vector h = RELU ? (x < 0.0f ? Vector{} : x) : tanh(x);
    if (NOISY && at.task.zoneout_h) at.keep_gate(0, h);
    return h;
  }

  static INLINE Vector backward(const Place& at, Vector dh) {
    Vector h = at.gate(0);
    at.from_input(0, RELU ? (h <= 0.0f ? Vector{} : dh) : dh * (1.0f - h * h));
    return Vector{};
  }
};

template <bool IS_NOISY, bool IS_PROJECTED>
struct Lstm {
  static constexpr int GATES = 4, BLOCK = 1;
  static constexpr bool NOISY = IS_NOISY, PROJECTED = IS_PROJECTED;

  template <class At>
  static INLINE Vector forward(const At& at, const Vector* from_state) {
    Vector i = sigmoid(at.gate(0) + from_state[0]);
    Vector f = sigmoid(at.gate(1) + from_state[1]);
    Vector g = tanh(at.gate(2) + from_state[2]);
    Vector o = sigmoid(at.gate(3) + from_state[3]);
    float* state = at.task.last_c + at.state;
    Vector before = load(state, at.count), c = f * before + i * g, made = c;
    if (NOISY && at.task.zoneout_c) c = zoned(c, before, at.share_c());
    store(state, c, at.count);
    if (at.task.keep) {
      at.keep_gate(0, i), at.keep_gate(1, f), at.keep_gate(2, g), at.keep_gate(3, o);
      store(at.task.extra + at.token, c, at.count);
    }
    return o * tanh(made);
  }

  static INLINE Vector backward(const Place& at, Vector dh) {
    Vector i = at.gate(0), f = at.gate(1), g = at.gate(2), o = at.gate(3);
    float* carry = at.task.carry_c + at.state;
    Vector before = at.before_c(), c = load(at.task.extra + at.token, at.count), dc = load(carry, at.count), stays{};
    if (NOISY && at.task.zoneout_c) {  // c was kept after zoneout
      c = f * before + i * g;
      stays = dc * at.share_c();
      dc -= stays;
    }
    Vector squashed = tanh(c);
    if constexpr (PROJECTED) store(at.task.hidden + at.token, o * squashed, at.count);
    dc += dh * o * (1.0f - squashed * squashed);
    at.from_input(0, dc * g * i * (1.0f - i));
    at.from_input(1, dc * before * f * (1.0f - f));
    at.from_input(2, dc * i * (1.0f - g * g));
    at.from_input(3, dh * squashed * o * (1.0f - o));
    store(carry, NOISY && at.task.zoneout_c ? dc * f + stays : dc * f, at.count);
    return Vector{};
  }
};

template <bool IS_NOISY>
struct Gru {
  static constexpr int GATES = 3, BLOCK = 1;
  static constexpr bool NOISY = IS_NOISY, PROJECTED = false;

  template <class At>
  static INLINE Vector forward(const At& at, const Vector* from_state) {
    Vector r = sigmoid(at.gate(0) + from_state[0]);
    Vector z = sigmoid(at.gate(1) + from_state[1]);
    Vector candidate = from_state[2];
    if (at.task.bias) candidate += load(at.task.bias + at.unit, at.count);
    Vector n = tanh(at.gate(2) + r * candidate);
    if (at.task.keep) {
      at.keep_gate(0, r), at.keep_gate(1, z), at.keep_gate(2, n);
      store(at.task.extra + at.token, candidate, at.count);
    }
    return n + z * (at.before_h() - n);
  }

  static INLINE Vector backward(const Place& at, Vector dh) {
    Vector r = at.gate(0), z = at.gate(1), n = at.gate(2);
    Vector dn = dh * (1.0f - z) * (1.0f - n * n);
    Vector dz = dh * (at.before_h() - n) * z * (1.0f - z);
    Vector dr = dn * load(at.task.extra + at.token, at.count) * r * (1.0f - r);
    at.from_input(0, dr), at.from_input(1, dz), at.from_input(2, dn);
    at.from_state(0, dr), at.from_state(1, dz), at.from_state(2, dn * r);
    return dh * z;
  }
};
