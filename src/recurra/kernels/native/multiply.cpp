// The products over all tokens: of the input with W_ih, and those that give the gradients of the input and the weights.
//
// Threads divide the rows and, where they are many, the columns of the result. Each goes through its part of b in pieces
// that fit its second-level cache, repacked to the order in which the tiles read them.
#include <algorithm>

#include "recurrence.h"
#include "threads.h"
#include "tile.h"

namespace {

constexpr Index LENGTH = 256, VECTORS = 256 / WIDTH;  // of a piece of b: 256 KiB

struct Multiply {
  const RecurraProduct& task;

  void run(int number, int members) const {
    int across = 1;  // threads that divide the columns
    for (int n = 2; n * n <= members; ++n)
      if (members % n == 0) across = n;
    const int down = members / across, row_part = number / across, column_part = number % across;
    const Index first_row = task.rows * row_part / down, last_row = task.rows * (row_part + 1) / down;
    const Index vectors = (task.columns + WIDTH - 1) / WIDTH;
    const Index first = vectors * column_part / across, last = vectors * (column_part + 1) / across;
    float* panels = task.scratch + number * (LENGTH * VECTORS * WIDTH + MAX_ROWS * LENGTH);
    for (Index vector = first; vector < last; vector += VECTORS)
      for (Index k = 0; k < task.length || k == 0; k += LENGTH)
        piece(first_row, last_row, vector, std::min(VECTORS, last - vector), k, panels);
  }

  // One piece of b, with every row of a.
  void piece(Index first_row, Index last_row, Index first_vector, Index vectors, Index k, float* panels) const {
    const Index length = std::min(LENGTH, task.length - k);
    const Blocks blocks(vectors * WIDTH, MAX_COLUMNS);
    for (Index block = 0; block < blocks.count; ++block)
      pack(panels + blocks.begin(block) * WIDTH * length, (first_vector + blocks.begin(block)) * WIDTH,
           blocks.size(block) * WIDTH, k, length);
    float* packed_rows = panels + LENGTH * VECTORS * WIDTH;
    for_tiles(last_row - first_row, tile_rows(blocks.size(blocks.count - 1)), [&](Index first, Index count) {
      const float* rows[MAX_ROWS] = {};
      const Index step = take_rows(first_row + first, count, k, length, packed_rows, rows);
      for (Index block = 0; block < blocks.count; ++block) {
        const Index columns = blocks.size(block);
        Vector sums[MAX_ROWS * MAX_COLUMNS];
        find_product(count, columns)(rows, step, panels + blocks.begin(block) * WIDTH * length, length, sums);
        for (Index r = 0; r < count; ++r)
          for (Index c = 0; c < columns; ++c)
            add(first_row + first + r, (first_vector + blocks.begin(block) + c) * WIDTH, k, sums[r * columns + c]);
      }
    });
  }

  // Where each row of a tile of a begins, and the distance of its elements; a tile that stands on its side is copied.
  Index take_rows(Index row, Index count, Index k, Index length, float* packed, const float** rows) const {
    const float* from = task.a + row * task.a_row + k * task.a_column;
    if (task.a_column == 1) {
      for (Index r = 0; r < count; ++r) rows[r] = from + r * task.a_row;
      return 1;
    }
    for (Index r = 0; r < count; ++r) rows[r] = packed + r;
    const bool inside = row + MAX_ROWS <= task.rows;  // then a copy of fixed size, overwritten in part by the next one
    for (Index i = 0; i < length; ++i, from += task.a_column)
      if (inside)
        std::memcpy(packed + i * count, from, sizeof(float) * MAX_ROWS);
      else
        std::memcpy(packed + i * count, from, sizeof(float) * count);
    return count;
  }

  // to[i][column] = b[k + i][first + column], zero beyond the last column
  void pack(float* to, Index first, Index columns, Index k, Index length) const {
    const Index count = std::min(columns, task.columns - first);
    const float* from = task.b + k * task.b_row + first * task.b_column;
    if (count < columns) std::fill(to, to + length * columns, 0.0f);
    if (task.b_column == 1) {
      for (Index i = 0; i < length; ++i) std::memcpy(to + i * columns, from + i * task.b_row, sizeof(float) * count);
      return;
    }
    for (Index c = 0; c < count; ++c)
      for (Index i = 0; i < length; ++i) to[i * columns + c] = from[c * task.b_column + i * task.b_row];
  }

  void add(Index row, Index column, Index k, Vector sum) const {
    float* to = task.c + row * task.columns + column;
    const Index count = task.columns - column;
    if (k > 0)
      sum += load(to, count);
    else if (task.bias)
      sum += load(task.bias + column, count);
    store(to, sum, count);
  }
};

}  // namespace

EXPORT std::int64_t recurra_scratch_size() { return LENGTH * VECTORS * WIDTH + MAX_ROWS * LENGTH; }

EXPORT void recurra_multiply(const RecurraProduct* product) {
  const Multiply work{*product};
  run_on(product->team, product->threads, work);
}
