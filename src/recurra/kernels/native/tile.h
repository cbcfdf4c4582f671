// The product at the bottom of everything: a tile of a few rows times a few vectors of columns.
#pragma once

#include "words.h"

constexpr int MAX_COLUMNS = 4, MAX_ROWS = 8;

// Rows of a tile of so many vectors of columns: as many as leave registers for the operands.
constexpr int tile_rows(Index columns) {
  constexpr int many[] = {8, 8, 8, 6}, few[] = {8, 6, 4, 3};
  return (REGISTERS == 32 ? many : few)[columns - 1];
}

// out[r][c] = sum over k of rows[r][k * step] * panel[k][c], in the order of k whatever the tile; k and length count words.
template <class Word, int ROWS, int COLUMNS>
void product(const Word* const* rows, Index step, const Word* panel, Index length, Vector* out) {
  Vector sum[ROWS][COLUMNS] = {};
  const Word* x[ROWS];
  each<ROWS>([&](auto r) { x[r] = rows[r]; });
  for (Index k = 0; k < length * step; k += step, panel += COLUMNS * WIDTH) {
    Vector w[COLUMNS];
    each<COLUMNS>([&](auto c) { w[c] = load(panel + c * WIDTH); });
    each<ROWS>([&](auto r) {
      Vector value = splat(x[r][k]);
      each<COLUMNS>([&](auto c) { sum[r][c] = add_products(sum[r][c], value, w[c], Word{}); });
    });
  }
  each<ROWS>([&](auto r) { each<COLUMNS>([&](auto c) { out[r * COLUMNS + c] = sum[r][c]; }); });
}

template <class Word>
using Product = void (*)(const Word* const*, Index, const Word*, Index, Vector*);

template <class Word, int COLUMNS, int ROWS = 1>
Product<Word> find_product(Index rows) {
  if constexpr (ROWS < tile_rows(COLUMNS)) {
    if (rows > ROWS) return find_product<Word, COLUMNS, ROWS + 1>(rows);
  }
  return product<Word, ROWS, COLUMNS>;
}

template <class Word>
Product<Word> find_product(Index rows, Index columns) {
  switch (columns) {
    case 1: return find_product<Word, 1>(rows);
    case 2: return find_product<Word, 2>(rows);
    case 3: return find_product<Word, 3>(rows);
    default: return find_product<Word, 4>(rows);
  }
}

// Calls body(first, count) for tiles of rows of as even a height as can be.
template <class Body>
INLINE void for_tiles(Index rows, Index most, Body body) {
  const Index tiles = (rows + most - 1) / most;
  for (Index tile = 0; tile < tiles; ++tile) {
    const Index first = rows * tile / tiles;
    body(first, rows * (tile + 1) / tiles - first);
  }
}

// Some columns as vectors, divided as evenly as can be into blocks of at most `most`.
struct Blocks {
  Index vectors, count;

  Blocks(Index columns, Index most) : vectors((columns + WIDTH - 1) / WIDTH), count((vectors + most - 1) / most) {}
  Index begin(Index block) const { return vectors * block / count; }
  Index size(Index block) const { return begin(block + 1) - begin(block); }
};
