// The operands of products as 32-bit words: a float, or a pair of bfloat16 that stand one after the other in the sum.
//
// A bfloat16 is the upper half of a float. An operand is rounded to the nearest, ties to even, when it becomes a word;
// sums are float32 whatever the words. Pairs are there where the processor multiplies them (RECURRA_BFLOAT16).
#pragma once

#include "vectors.h"

#if defined(__AVX512BF16__)
#define RECURRA_BFLOAT16 1
#include <immintrin.h>
#else
#define RECURRA_BFLOAT16 0
#endif

struct Pair {
  std::uint16_t first, second;
};

template <class Word>
constexpr bool ROUNDED = std::is_same_v<Word, Pair>;

// Numbers in a word, and words for so many numbers; what is over in the last word is zero.
template <class Word>
constexpr Index PER_WORD = ROUNDED<Word> ? 2 : 1;
template <class Word>
constexpr Index words(Index numbers) {
  return (numbers + PER_WORD<Word> - 1) / PER_WORD<Word>;
}

// An array of the C interface whose floats are words.
template <class Word>
INLINE Word* as_words(float* array) {
  return reinterpret_cast<Word*>(array);
}

INLINE Vector add_products(Vector sum, Vector a, Vector b, float) { return sum + a * b; }

// Some numbers that follow one another, as words: those in memory where they are that already, else in `room`.
INLINE const float* along(const float* from, Index, float*) { return from; }

// Words that each hold numbers from the same column of rows `stride` apart, `rows` of which are left.
INLINE const float* across(const float* from, Index, Index, Index, float*) { return from; }

#if RECURRA_BFLOAT16

INLINE Vector splat(Pair x) {
  std::int32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return as_floats(bits - Integers{});
}

INLINE Vector load(const Pair* from) { return load(reinterpret_cast<const float*>(from)); }

INLINE Vector add_products(Vector sum, Vector a, Vector b, Pair) {
  return Vector(_mm512_dpbf16_ps(__m512(sum), __m512bh(a), __m512bh(b)));
}

// The first `count` numbers as pairs.
INLINE void store(Pair* to, Vector x, Index count) {
  if (count < WIDTH) {
    Vector kept{};
    std::memcpy(&kept, &x, sizeof(float) * count);
    x = kept;
  }
  const auto pairs = _mm512_cvtneps_pbh(__m512(x));
  std::memcpy(to, &pairs, count < WIDTH ? sizeof(Pair) * words<Pair>(count) : sizeof pairs);
}

INLINE const Pair* along(const float* from, Index numbers, Pair* room) {
  for (Index i = 0; i < numbers; i += WIDTH) store(room + i / 2, load(from + i, numbers - i), numbers - i);
  return room;
}

INLINE const Pair* across(const float* from, Index stride, Index columns, Index rows, Pair* room) {
  alignas(64) static constexpr std::uint16_t ORDER[32] = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                                          8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  const __m512i order = _mm512_load_si512(ORDER);
  for (Index c = 0; c < columns; c += WIDTH) {
    const Vector first = load(from + c, columns - c), second = rows > 1 ? load(from + stride + c, columns - c) : Vector{};
    const auto apart = __m512i(_mm512_cvtne2ps_pbh(__m512(second), __m512(first)));
    store(reinterpret_cast<float*>(room + c), Vector(_mm512_permutexvar_epi16(order, apart)), columns - c);
  }
  return room;
}

#endif

// Some numbers of a row, as they enter a product.
template <class Word>
INLINE void store_operand(float* array, Index row, Index width, Index first, Vector x) {
  store(as_words<Word>(array) + row * words<Word>(width) + first / PER_WORD<Word>, x, width - first);
}
