// Whom the guess names, and when there is none.
#include "plugins/sdk/next_reader.h"

#include <catch2/catch_test_macros.hpp>

namespace varve {

namespace {
using Guesses = std::array<void*, 2>;

int connections[2];
void* const kA = &connections[0];
void* const kB = &connections[1];
}  // namespace

TEST_CASE("a connection that goes on alone is the guess, whoever came between") {
  NextReader reader;
  CHECK(reader.guesses() == Guesses{});
  reader.received(kA);
  CHECK(reader.guesses() == Guesses{});
  reader.received(kA);
  CHECK(reader.guesses() == Guesses{kA, nullptr});
  reader.received(kB);
  CHECK(reader.guesses() == Guesses{});  // nobody would have guessed it
  reader.received(kA);
  CHECK(reader.guesses() == Guesses{kB, kA});
  reader.received(kA);
  CHECK(reader.guesses() == Guesses{kA, kB});
}

TEST_CASE("two connections that take turns are guessed in turn") {
  NextReader reader;
  for (int i = 0; i < 3; ++i) {
    reader.received(kA);
    reader.received(kB);
  }
  CHECK(reader.guesses() == Guesses{kA, kB});
  reader.received(kA);
  CHECK(reader.guesses() == Guesses{kB, kA});
}

TEST_CASE("a connection that is gone is no guess") {
  NextReader reader;
  for (void* const connection : {kA, kB, kA, kB}) reader.received(connection);
  reader.gone(kB);
  CHECK(reader.guesses() == Guesses{kA, nullptr});
  reader.gone(kA);
  CHECK(reader.guesses() == Guesses{});
}

TEST_CASE("guesses end before others starve, until epoll was asked") {
  NextReader reader;
  int guessed = 0;
  for (int i = 0; i < 1000; ++i) {
    reader.received(kA);
    guessed += reader.guesses()[0] == kA ? 1 : 0;
  }
  CHECK(guessed > 10);
  CHECK(guessed < 100);
  reader.asked_epoll();
  CHECK(reader.guesses() == Guesses{kA, nullptr});
}

}  // namespace varve
