// The C interface of streaming: one time step of a few sequences through all the layers of a recurrent net.
//
// Dimensions: L layers, B sequences, I inputs, H units, G gates. All arrays are dense, row-major float32.
#pragma once

#include "recurrence.h"

extern "C" {

// Layers that run one way, with the weights in the order in which a step reads them.
struct RecurraStack {
  std::int64_t layers, width, units;  // L, I, H
  std::int32_t cell;                  // as in RecurraTask
  std::int32_t precision;             // of the weights: 0 float32, 1 bfloat16, 2 int8 with a scale for each row
  std::int32_t* panels;               // of recurra_stack_size words
  std::int64_t turn;                  // 0 or 1, changed by each step: from which end it begins
  RecurraTeam team;
};

// The parameters of one layer in torch's layout.
struct RecurraParameters {
  const float* weight_ih;  // [G * H, width], of the first layer I wide, of the others H
  const float* weight_hh;  // [G * H, H]
  const float* bias_ih;    // [G * H] or null
  const float* bias_hh;    // [G * H] or null
};

std::int64_t recurra_stack_size(const RecurraStack* stack);
void recurra_pack_layer(const RecurraStack* stack, std::int64_t layer, const RecurraParameters* parameters);

// x [B, I], state h and c [L, B, H], state after the step next_h and next_c [L, B, H], output [B, H]; c of an LSTM only.
void recurra_step(RecurraStack* stack, std::int64_t batch, std::int32_t threads, const float* x, const float* h,
                  const float* c, float* next_h, float* next_c, float* output);
}
