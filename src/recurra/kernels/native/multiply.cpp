// The products over all tokens: of the input with W_ih, and those that give the gradients of the input and the weights.
//
// Threads divide the rows and, where they are many, the columns of the result. Each goes through its part of b in pieces
// that fit its second-level cache, repacked to the order in which the tiles read them.
#include <algorithm>

#include "recurrence.h"
#include "threads.h"
#include "tile.h"

namespace {

constexpr Index LENGTH = 256, VECTORS = 256 / WIDTH;  // of a piece of b, in words: 256 KiB
constexpr Index GROUP = 96, ROW = LENGTH + MAX_ROWS;  // rows of a that are repacked together, and the words for each
constexpr Index SCRATCH = LENGTH * VECTORS * WIDTH + GROUP * ROW;

template <class Word>
struct Multiply {
  static constexpr Index PIECE = LENGTH * PER_WORD<Word>;  // LENGTH in numbers

  const RecurraProduct& task;

  void run(int number, int members) const {
    int across = 1;  // threads that divide the columns
    for (int n = 2; n * n <= members; ++n)
      if (members % n == 0) across = n;
    const int down = members / across, row_part = number / across, column_part = number % across;
    const Index first_row = task.rows * row_part / down, last_row = task.rows * (row_part + 1) / down;
    const Index vectors = (task.columns + WIDTH - 1) / WIDTH;
    const Index first = vectors * column_part / across, last = vectors * (column_part + 1) / across;
    Word* panels = reinterpret_cast<Word*>(task.scratch) + number * SCRATCH;
    for (Index vector = first; vector < last; vector += VECTORS)
      for (Index k = 0; k < task.length || k == 0; k += PIECE)
        piece(first_row, last_row, vector, std::min(VECTORS, last - vector), k, panels);
  }

  // One piece of b, with every row of a.
  void piece(Index first_row, Index last_row, Index first_vector, Index vectors, Index k, Word* panels) const {
    const Index numbers = std::min(PIECE, task.length - k), length = words<Word>(numbers);
    const Blocks blocks(vectors * WIDTH, MAX_COLUMNS);
    for (Index block = 0; block < blocks.count; ++block)
      pack(panels + blocks.begin(block) * WIDTH * length, (first_vector + blocks.begin(block)) * WIDTH,
           blocks.size(block) * WIDTH, k, numbers);
    Word* packed = panels + LENGTH * VECTORS * WIDTH;
    const Index most = tile_rows(blocks.size(blocks.count - 1));
    for (Index group = first_row; group < last_row; group += GROUP) {
      const Index rows = std::min(GROUP, last_row - group);
      if (task.a_column != 1) pack_rows(packed, group, rows, most, k, numbers);
      for_tiles(rows, most, [&](Index first, Index count) {
        const Word* a[MAX_ROWS] = {};
        for (Index r = 0; r < count; ++r)
          a[r] = task.a_column == 1
                     ? along(task.a + (group + first + r) * task.a_row + k, numbers, packed + (first + r) * ROW)
                     : packed + first * ROW + r;
        for (Index block = 0; block < blocks.count; ++block) {
          const Index begin = blocks.begin(block), columns = blocks.size(block);
          // what is needed after this product comes while it runs: its place in c, and the next rows of a
          for (Index r = 0; r < count; ++r)
            for (Index c = 0; c < columns; ++c)
              __builtin_prefetch(task.c + (group + first + r) * task.columns + (first_vector + begin + c) * WIDTH, 1);
          if (task.a_column == 1)
            for (Index r = count * block / blocks.count; r < count * (block + 1) / blocks.count; ++r)
              for (Index i = 0; i < numbers; i += 64 / sizeof(float))
                __builtin_prefetch(task.a + (group + first + count + r) * task.a_row + k + i);
          Vector sums[MAX_ROWS * MAX_COLUMNS];
          find_product<Word>(count, columns)(a, task.a_column == 1 ? 1 : count, panels + begin * WIDTH * length, length, sums);
          for (Index r = 0; r < count; ++r)
            for (Index c = 0; c < columns; ++c)
              add(group + first + r, (first_vector + begin + c) * WIDTH, k, sums[r * columns + c]);
        }
      });
    }
  }

  // Rows of an a that stands on its side, to the order in which the tiles read them: [tile][k][row].
  void pack_rows(Word* to, Index group, Index rows, Index most, Index k, Index numbers) const {
    struct {
      Index first, count;
    } tiles[GROUP];
    Index number = 0;
    for_tiles(rows, most, [&](Index first, Index count) { tiles[number++] = {first, count}; });
    Word room[GROUP + MAX_ROWS] = {};
    const bool inside = ROUNDED<Word> || group + GROUP + MAX_ROWS <= task.rows;
    for (Index i = 0; i < words<Word>(numbers); ++i) {
      const Index left = numbers - i * PER_WORD<Word>;
      const float* from = task.a + group + (k + i * PER_WORD<Word>) * task.a_column;
      for (Index row = 12 * PER_WORD<Word>; row < 13 * PER_WORD<Word>; ++row)
        for (Index r = 0; r < GROUP; r += 16)  // a stride too long for the processor to foresee
          __builtin_prefetch(from + row * task.a_column + r);
      const Word* line = across(from, task.a_column, rows, left, room);
      for (Index t = 0; t < number; ++t) {
        const auto [first, count] = tiles[t];
        Word* tile = to + first * ROW + i * count;
        if (inside)  // copies of fixed size are faster; what is too much the next one overwrites
          std::memcpy(tile, line + first, sizeof(Word) * MAX_ROWS);
        else
          std::memcpy(tile, line + first, sizeof(Word) * count);
      }
    }
  }

  // to[i][column] = b[k + i][first + column], zero beyond the last column; i counts words
  void pack(Word* to, Index first, Index columns, Index k, Index numbers) const {
    const Index count = std::min(columns, task.columns - first), length = words<Word>(numbers);
    const float* from = task.b + k * task.b_row + first * task.b_column;
    Word room[std::max(LENGTH, Index(MAX_COLUMNS * WIDTH))];
    if (count < columns) std::fill(to, to + length * columns, Word{});
    for (Index i = 0; task.b_column == 1 && i < length; ++i) {
      const Index row = i * PER_WORD<Word>;
      std::memcpy(to + i * columns, across(from + row * task.b_row, task.b_row, count, numbers - row, room), sizeof(Word) * count);
    }
    for (Index c = 0; task.b_column != 1 && c < count; ++c) {
      const Word* run = along(from + c * task.b_column, numbers, room);
      for (Index i = 0; i < length; ++i) to[i * columns + c] = run[i];
    }
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
#if RECURRA_BFLOAT16
  const Multiply<Pair> rounded{*product};
  if (product->bfloat16) return run_on(product->team, product->threads, rounded);
#endif
  const Multiply<float> work{*product};
  run_on(product->team, product->threads, work);
}
