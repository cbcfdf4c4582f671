// The plain C interface: one direction of one recurrent layer over packed rows (recurra/kernels/layout.py).
//
// Dimensions: T steps, B sequences, N tokens, H units, G gates, S the size of h: P with a projection, else H. All arrays
// are dense, row-major float32.
#pragma once

#include <cstdint>

#define EXPORT extern "C" __attribute__((visibility("default")))

extern "C" {

// How to run work on the threads of an OpenMP runtime that is already in the process: the addresses of its
// GOMP_parallel, omp_get_thread_num and omp_get_num_threads; null for none.
struct RecurraTeam {
  void (*parallel)(void (*body)(void*), void* data, unsigned threads, unsigned flags);
  int (*number)();
  int (*size)();
};

struct RecurraTask {
  std::int64_t steps, batch, units, size;  // T, B, H, S
  const std::int64_t* starts;  // [T + 1] the row at which each step begins; the last is N
  std::int32_t cell;           // 0 rnn_tanh, 1 rnn_relu, 2 lstm, 3 gru
  std::int32_t reverse;        // 1: from each sequence's end to its beginning
  std::int32_t threads;
  std::int32_t keep;           // forward: 1 to keep in gates and extra what the backward needs
  std::int32_t bfloat16;       // 1: what enters a product is rounded to bfloat16, in pairs
  const float* weight;         // [G * H, S]
  float* panels;               // scratch, of recurra_panel_size(H, S, G) floats
  const float* project;        // [P, H] lstm: h = project (o * tanh(c)); null for none
  float* project_panels;       // scratch, of recurra_panel_size(P, H, 1) floats
  float* hidden;               // projection: what is projected, forward [B, H], scratch; backward [N, H]
  const float* mask;           // [B, S] what h is multiplied by on its way to weight; null for none
  float* fed;                  // [N, S] forward: h with the mask; the same array as output without one
  float* first_fed;            // [B, S] forward: so the initial h; the same array as first_h without a mask
  // bfloat16: always arrays of their own; fed [N, (S + 1) / 2] pairs, backward [2, B, G, (H + 1) / 2], gradients of gates;
  // first_fed [B, (S + 1) / 2] pairs, backward with a projection: the gradient of its result
  const float* zoneout_h;      // [N, S] the share of the state before that stays; null for none
  const float* zoneout_c;      // [N, H] lstm
  std::int64_t zoneout_h_stride, zoneout_c_stride;  // floats from row to row, 0 where all rows are one
  const float* bias;           // [H] gru: b_hh of its gate n; may be null
  const float* first_h;        // [B, S] initial state
  const float* first_c;        // [B, H] lstm
  float* gates;                // [N, G * H] forward: what the input gives to the gates, then (keep) the gates; rnn: then h before zoneout
  float* extra;                // [N, H] lstm: c; gru: W_hn h + b_hn; null when not kept
  float* output;               // [N, S]; of rnn without zoneout it may be the same array as gates
  float* last_h;               // [B, S] forward: final state, filled by the caller with the initial one
  float* last_c;               // [B, H] lstm
  // backward only
  const float* grad;           // [N, S] gradient of the output; rows grad_stride floats apart
  std::int64_t grad_stride;
  float* carry_h;              // [B, S] gradient of the final state, which becomes that of the initial state
  float* carry_c;              // [B, H] lstm
  float* from_input;           // [N, G * H] gradient of W_ih x
  float* from_state;           // [N, G * H] gradient of W_hh h; the same array as from_input unless gru
  float* before;               // [N, S] the state before each token, as weight met it
  float* projected;            // [N, P] projection: gradient of its result
  RecurraTeam team;
};

// c = a b, and + bias on each row. Strides in floats: of a and b from row to row and from column to column, one of each
// pair is 1; c's rows are dense.
struct RecurraProduct {
  std::int64_t rows, columns, length;  // of c, of c, and what is summed over
  const float* a;                      // [rows, length]
  std::int64_t a_row, a_column;
  const float* b;  // [length, columns]
  std::int64_t b_row, b_column;
  const float* bias;  // [columns] or null
  float* c;           // [rows, columns]
  float* scratch;     // threads * recurra_scratch_size() floats
  std::int32_t threads;
  std::int32_t bfloat16;  // 1: a and b are rounded to bfloat16
  RecurraTeam team;
};

std::int64_t recurra_scratch_size();
void recurra_multiply(const RecurraProduct* product);
// Floats for a matrix [gates * rows, columns], forward and backward.
std::int64_t recurra_panel_size(std::int64_t rows, std::int64_t columns, std::int32_t gates);
void recurra_forward(const RecurraTask* task);
void recurra_backward(const RecurraTask* task);
std::int32_t recurra_bfloat16();     // 1 where this library has products of bfloat16
std::int64_t recurra_interface();    // sizes of the structures above, to tell a library of another version
const char* recurra_best_variant();  // what this processor runs best: "avx512bf16", "avx512", "avx2" or "plain"
}
