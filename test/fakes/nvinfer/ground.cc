// What a build stands on, and what goes when the process exits.
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <mutex>
#include <new>
#include <thread>

#include "builder.h"

namespace fake {
namespace {

constexpr size_t kPage = 4096;

std::atomic<long long>* ground = nullptr;
std::atomic<int> standing{0};

// As the real library's: what its build threads use is gone afterwards. It leaves them the time to find
// that out, so that a process which lets it run under a build always crashes.
void TakeAway() {
  mprotect(ground, kPage, PROT_NONE);
  for (int i = 0; standing.load() > 0 && i < 5000; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace

// The real library registers handlers while it builds, so after its user has registered some.
Standing::Standing() {
  static std::once_flag once;
  std::call_once(once, [] {
    void* page =
        mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ground = new (page) std::atomic<long long>(0);
    if (Option("exitHandler", 0) != 0) std::atexit(TakeAway);
  });
  ++standing;
}

Standing::~Standing() { --standing; }

void Standing::For(long long milliseconds) const {
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(milliseconds);
  do {
    ground->fetch_add(1, std::memory_order_relaxed);
    std::this_thread::sleep_for(std::min<std::chrono::nanoseconds>(
        std::chrono::milliseconds(1), until - std::chrono::steady_clock::now()));
  } while (std::chrono::steady_clock::now() < until);
}

}  // namespace fake
