// Whom the guess names, and when there is none.
#include "plugins/sdk/next_reader.h"

#include <catch2/catch_test_macros.hpp>

namespace varve {

namespace {
using Guesses = std::array<uint64_t, 2>;
}  // namespace

TEST_CASE("a connection that goes on alone is the guess, whoever came between") {
  NextReader reader;
  CHECK(reader.guesses() == Guesses{});
  reader.received(7);
  CHECK(reader.guesses() == Guesses{});
  reader.received(7);
  CHECK(reader.guesses() == Guesses{7, 0});
  reader.received(9);
  CHECK(reader.guesses() == Guesses{});  // nobody would have guessed it
  reader.received(7);
  CHECK(reader.guesses() == Guesses{9, 7});
  reader.received(7);
  CHECK(reader.guesses() == Guesses{7, 9});
}

TEST_CASE("two connections that take turns are guessed in turn") {
  NextReader reader;
  for (int i = 0; i < 3; ++i) {
    reader.received(1);
    reader.received(2);
  }
  CHECK(reader.guesses() == Guesses{1, 2});
  reader.received(1);
  CHECK(reader.guesses() == Guesses{2, 1});
}

TEST_CASE("a connection that is gone is no guess") {
  NextReader reader;
  for (const uint64_t connection : {1, 2, 1, 2}) reader.received(connection);
  reader.gone(2);
  CHECK(reader.guesses() == Guesses{1, 0});
  reader.gone(1);
  CHECK(reader.guesses() == Guesses{});
}

TEST_CASE("guesses end before others starve, until epoll was asked") {
  NextReader reader;
  int guessed = 0;
  for (int i = 0; i < 1000; ++i) {
    reader.received(1);
    guessed += reader.guesses()[0] == 1 ? 1 : 0;
  }
  CHECK(guessed > 10);
  CHECK(guessed < 100);
  reader.asked_epoll();
  CHECK(reader.guesses() == Guesses{1, 0});
}

}  // namespace varve
