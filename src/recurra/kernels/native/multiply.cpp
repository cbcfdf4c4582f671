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
constexpr Index GROUP = 96, ROW = LENGTH + MAX_ROWS;  // rows of a that are repacked together, and the room for each
constexpr Index SCRATCH = LENGTH * VECTORS * WIDTH + GROUP * ROW;

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
    float* panels = task.scratch + number * SCRATCH;
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
    float* packed = panels + LENGTH * VECTORS * WIDTH;
    const Index most = tile_rows(blocks.size(blocks.count - 1));
    for (Index group = first_row; group < last_row; group += GROUP) {
      const Index rows = std::min(GROUP, last_row - group);
      if (task.a_column != 1) pack_rows(packed, group, rows, most, k, length);
      for_tiles(rows, most, [&](Index first, Index count) {
        const float* a[MAX_ROWS] = {};
        for (Index r = 0; r < count; ++r)
          a[r] = task.a_column == 1 ? task.a + (group + first + r) * task.a_row + k : packed + first * ROW + r;
        for (Index block = 0; block < blocks.count; ++block) {
          const Index begin = blocks.begin(block), columns = blocks.size(block);
          Vector sums[MAX_ROWS * MAX_COLUMNS];
          find_product(count, columns)(a, task.a_column == 1 ? 1 : count, panels + begin * WIDTH * length, length, sums);
          for (Index r = 0; r < count; ++r)
            for (Index c = 0; c < columns; ++c)
              add(group + first + r, (first_vector + begin + c) * WIDTH, k, sums[r * columns + c]);
        }
      });
    }
  }

  // Rows of an a that stands on its side, to the order in which the tiles read them: [tile][k][row].
  void pack_rows(float* to, Index group, Index rows, Index most, Index k, Index length) const {
    struct {
      Index first, count;
    } tiles[GROUP];
    Index number = 0;
    for_tiles(rows, most, [&](Index first, Index count) { tiles[number++] = {first, count}; });
    const bool inside = group + GROUP + MAX_ROWS <= task.rows;
    for (Index i = 0; i < length; ++i) {
      const float* from = task.a + group + (k + i) * task.a_column;
      for (Index r = 0; r < GROUP; r += 16) __builtin_prefetch(from + 12 * task.a_column + r);  // a stride too long for the processor to foresee
      for (Index t = 0; t < number; ++t) {
        const auto [first, count] = tiles[t];
        float* tile = to + first * ROW + i * count;
        if (inside)  // copies of fixed size are faster; what is too much the next one overwrites
          std::memcpy(tile, from + first, sizeof(float) * MAX_ROWS);
        else
          std::memcpy(tile, from + first, sizeof(float) * count);
      }
    }
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

EXPORT std::int64_t recurra_scratch_size() { return SCRATCH; }

EXPORT void recurra_multiply(const RecurraProduct* product) {
  const Multiply work{*product};
  run_on(product->team, product->threads, work);
}
