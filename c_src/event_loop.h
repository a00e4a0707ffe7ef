// One thread, one epoll set, many sources. Nothing a handler does may block.
#ifndef LINX_EVENT_LOOP_H_
#define LINX_EVENT_LOOP_H_

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "result.h"
#include "unique_fd.h"

namespace linx {

// A member function of a living object: Handler::To<&Session::OnExit>(this).
class Handler {
 public:
  Handler() = default;
  template <auto kMember, typename Object>
  static Handler To(Object* object) {
    return Handler(object, [](void* self) { (static_cast<Object*>(self)->*kMember)(); });
  }
  void operator()() const { call_(object_); }

 private:
  Handler(void* object, void (*call)(void*)) : object_(object), call_(call) {}
  void* object_ = nullptr;
  void (*call_)(void*) = nullptr;
};

class EventLoop {
 public:
  // A borrowed fd in the set, for as long as the Watch lives. The handler is called while the fd is
  // ready for any of `events` (EPOLLIN, EPOLLOUT) or has hung up; it may end its own Watch or
  // others.
  class Watch {
   public:
    Watch() = default;
    Watch(Watch&& other) noexcept { *this = std::move(other); }
    Watch& operator=(Watch&& other) noexcept;
    ~Watch() { Reset(); }
    // With 0 the fd leaves the set, so that a hang-up does not wake the loop over and over.
    void Want(uint32_t events);
    void Reset();
    explicit operator bool() const { return loop_ != nullptr; }

   private:
    friend class EventLoop;
    EventLoop* loop_ = nullptr;
    uint32_t slot_ = 0;
  };

  // A call at a later time, unless the Timer ends first. Fires once.
  class Timer {
   public:
    Timer() = default;
    Timer(Timer&& other) noexcept { *this = std::move(other); }
    Timer& operator=(Timer&& other) noexcept;
    ~Timer() { Reset(); }
    void Reset();
    explicit operator bool() const;

   private:
    friend class EventLoop;
    EventLoop* loop_ = nullptr;
    std::pair<int64_t, uint64_t> key_;
  };

  Status Open();

  // Errors: stage epoll.
  Result<Watch> Add(int fd, uint32_t events, Handler handler);
  Timer After(uint32_t ms, Handler handler);

  // Waits for what is next and calls its handlers; one turn. `limit_ms` bounds the wait, -1 does
  // not.
  void Turn(int limit_ms = -1);

 private:
  struct Slot {
    int fd = -1;
    uint32_t events = 0;
    uint32_t generation = 0;  // tells a slot's next owner from the one an event was meant for
    Handler handler;
  };

  void Update(uint32_t slot, uint32_t events);
  void RunTimers();

  UniqueFd epoll_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
  std::map<std::pair<int64_t, uint64_t>, Handler> timers_;  // by deadline in ms, then by age
  uint64_t timer_count_ = 0;
};

}  // namespace linx

#endif  // LINX_EVENT_LOOP_H_
