// Weights stored in fewer bits, and what a product takes them times: a row of inputs, prepared once for all the units.
//
// A word of 32 bits in each lane holds the weights of one unit for one input (float32), two (bfloat16) or four (int8)
// that follow one another, so that shifts and masks take them apart on any processor.
#pragma once

#include <algorithm>
#include <cmath>

#include "vectors.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

typedef std::int16_t Shorts __attribute__((vector_size(4 * WIDTH)));

template <int J>
using Part = std::integral_constant<int, J>;

// Each format:  WEIGHTS in a word; PARTS into which a word falls, each times one Input; Sum, what their products add to.
// weight      one part of the words
// prepare     a row of inputs, zero beyond its end; returns their scale
// pack        the words of one unit, `step` apart, from its row of weights; returns their scale

struct Float32 {
  static constexpr int WEIGHTS = 1, PARTS = 1;
  using Input = float;
  using Sum = Vector;

  static INLINE Vector weight(Integers words, Part<0>) { return as_floats(words); }
  static INLINE Vector add(Vector sum, Vector weight, Input x) { return sum + splat(x) * weight; }

  static float prepare(const float* row, Index count, Input* to) {
    std::copy(row, row + count, to);
    return 1.0f;
  }

  static float pack(const float* row, Index count, std::int32_t* to, Index step) {
    for (Index k = 0; k < count; ++k) std::memcpy(to + k * step, row + k, sizeof(float));
    return 1.0f;
  }
};

struct Bfloat16 {
  static constexpr int WEIGHTS = 2, PARTS = 2;
  using Input = float;
  using Sum = Vector;

  static INLINE Vector weight(Integers words, Part<0>) { return as_floats(words << 16); }
  static INLINE Vector weight(Integers words, Part<1>) { return as_floats(words & -0x10000); }
  static INLINE Vector add(Vector sum, Vector weight, Input x) { return sum + splat(x) * weight; }

  static float prepare(const float* row, Index count, Input* to) {
    std::copy(row, row + count, to);
    std::fill(to + count, to + count + count % 2, 0.0f);
    return 1.0f;
  }

  static float pack(const float* row, Index count, std::int32_t* to, Index step) {
    for (Index k = 0; k < count; k += 2) {
      const std::uint32_t first = rounded(row[k]), second = k + 1 < count ? rounded(row[k + 1]) : 0;
      to[k / 2 * step] = std::int32_t(first | second << 16);
    }
    return 1.0f;
  }

  // To the nearest, and of two that are as near to the even one.
  static std::uint32_t rounded(float x) {
    std::uint32_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    if (x != x) return bits >> 16 | 0x40;
    return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  }
};

// Inputs are rounded too, to 16 bits with one scale for a row, so that products and sums are of integers.
struct Int8 {
  static constexpr int WEIGHTS = 4, PARTS = 2;
  using Input = std::int32_t;  // two of 16 bits
  using Sum = Integers;

  // The even bytes, then the odd ones, as numbers of 16 bits.
  static INLINE Shorts weight(Integers words, Part<0>) { return (Shorts)words << 8 >> 8; }
  static INLINE Shorts weight(Integers words, Part<1>) { return (Shorts)words >> 8; }

  // Products of pairs, the two added to the sum.
  static INLINE Integers add(Integers sum, Shorts weight, Input x) {
    const Shorts pair = (Shorts)(x - Integers{});
#if defined(__AVX512BW__)
    return sum + (Integers)_mm512_madd_epi16((__m512i)weight, (__m512i)pair);
#elif defined(__AVX2__)
    return sum + (Integers)_mm256_madd_epi16((__m256i)weight, (__m256i)pair);
#elif defined(__SSE2__)
    return sum + (Integers)_mm_madd_epi16((__m128i)weight, (__m128i)pair);
#else
    const Integers w = (Integers)weight, p = (Integers)pair;
    return sum + (w << 16 >> 16) * (p << 16 >> 16) + (w >> 16) * (p >> 16);
#endif
  }

  // One that is not finite makes the scale NaN.
  static float prepare(const float* row, Index count, Input* to) {
    Vector most{}, poison{};
    for (Index k = 0; k < count; k += WIDTH) {
      const Vector x = load(row + k, count - k), size = x < 0.0f ? -x : x;
      most = size > most ? size : most;
      poison += x * 0.0f;
    }
    float largest = 0.0f, poisoned = 0.0f;
    for (int lane = 0; lane < WIDTH; ++lane) largest = std::max(largest, most[lane]), poisoned += poison[lane];
    // what the sum of 32 bits can hold
    const float limit = float(std::min<Index>(32767, (Index(1) << 31) / (128 * (count + 1))));
    const float inverse = largest > 0.0f ? limit / largest : 0.0f;
    std::int16_t* rounded = reinterpret_cast<std::int16_t*>(to);
    for (Index k = 0; k < count; ++k) {
      const float shifted = row[k] * inverse + 12582912.0f;  // the integer is in the low bits, as in exponent_parts
      std::int32_t bits;
      std::memcpy(&bits, &shifted, sizeof bits);
      rounded[k] = std::int16_t(bits);
    }
    std::fill(rounded + count, rounded + (count + 3) / 4 * 4, std::int16_t(0));
    return largest / limit + poisoned;
  }

  static float pack(const float* row, Index count, std::int32_t* to, Index step) {
    float largest = 0.0f, poison = 0.0f;
    for (Index k = 0; k < count; ++k) largest = std::max(largest, std::fabs(row[k])), poison += row[k] * 0.0f;
    const float scale = largest / 127.0f + poison;
    for (Index k = 0; k < count; k += 4) {
      // pairs stand in the order of the parts: inputs 0 and 1 times the even bytes, 2 and 3 times the odd ones
      constexpr int order[] = {0, 2, 1, 3};
      std::uint32_t word = 0;
      for (int byte = 0; byte < 4; ++byte) {
        const Index from = k + order[byte];
        const bool is_there = from < count && scale > 0.0f;
        const std::int32_t level = is_there ? std::int32_t(std::nearbyint(row[from] / scale)) : 0;
        word |= std::uint32_t(level & 0xff) << (8 * byte);
      }
      to[k / 4 * step] = std::int32_t(word);
    }
    return scale;
  }
};
