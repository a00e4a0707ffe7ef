// How the listener of a filter reaches the agent, whatever the filter says of sendmsg(2): the child
// starts a thread ahead of it, which it then does not bind, shares its files with the thread, and
// waits without a system call until that has sent what the kernel answered. Part of the
// child's half of a session; only for one that shares no memory with the agent.
#ifndef LINX_LISTENER_HANDOVER_H_
#define LINX_LISTENER_HANDOVER_H_

namespace linx {

class ListenerHandover {
 public:
  explicit ListenerHandover(int channel) : channel_(channel) {}
  ListenerHandover(const ListenerHandover&) = delete;

  // Starts the thread. It ends with Give, or with the process, also by its exec. Returns 0 or a
  // negative errno.
  long Begin();
  // Sends the listener as a report. Where that fails the process ends, the failure reported.
  void Give(int listener);

 private:
  static int Run(void* self);

  const int channel_;
  int listener_ = -1;
  int sent_ = 0;
};

}  // namespace linx

#endif  // LINX_LISTENER_HANDOVER_H_
