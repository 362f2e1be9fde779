#pragma once

#include <cstddef>

namespace trtn {

// Memory of its own pages, zeroed, which the system has back at once when it goes. What is as large as a
// plan should not come from malloc: once such a block was freed, glibc keeps that much in every arena
// instead of mapping the next one.
class PageBuffer {
 public:
  PageBuffer() = default;
  // Throws std::bad_alloc.
  explicit PageBuffer(size_t bytes);
  ~PageBuffer();
  PageBuffer(PageBuffer&& other) noexcept;
  PageBuffer& operator=(PageBuffer&& other) noexcept;
  PageBuffer(const PageBuffer&) = delete;
  PageBuffer& operator=(const PageBuffer&) = delete;

  unsigned char* data() const { return data_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

 private:
  unsigned char* data_ = nullptr;
  size_t size_ = 0;
};

// Gives the system what malloc keeps of freed memory: milliseconds, for the end of a call that is made of
// many. Builds and sessions have threads, so arenas of malloc, of their own, and the library frees tens
// of megabytes in them after building, after loading and at the end.
void ReturnFreeMemory();

}  // namespace trtn
